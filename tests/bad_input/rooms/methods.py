"""Methods and their objectives."""

from torch import nn

from instdisc import Backbone, SupConLoss
from instdisc.methods import Contrast
from instdisc.models import MLP, Projector

from ..calls import Call
from ..sorts import NOT_NEGATIVE, OBJECT, POSITIVE, SHARE, number, optional, sequence, whole

MILESTONES = sequence(number(above=0, below=1), empty=True).also(
    number=0.6, falling=(0.8, 0.6), epochs=(120, 160)
)
BACKBONE = OBJECT.also(unknown_name="resnet5000")
WEIGHTS = {"contrast_weight": NOT_NEGATIVE, "supcon_weight": NOT_NEGATIVE}
VIEWS = {"num_views": whole(2)}
QUEUE = {"queue_size": 16}
HEADS = {"hidden_dim": 8, "projection_dim": 4}
DISTILLATION = {
    **VIEWS,
    "num_prototypes": whole(2),
    **dict.fromkeys(["teacher_warmup", "freeze_prototypes"], SHARE),
    "clip": optional(POSITIVE),
}
CLASSES = {"num_classes": whole(2)}
REDUNDANCY = {"redundancy_weight": NOT_NEGATIVE}
VARIANCE = dict.fromkeys(
    ["invariance_weight", "variance_weight", "covariance_weight"], NOT_NEGATIVE
)
# What makes the good call small, and the sorts of arguments that their names do not tell.
METHODS = {
    "MoCoModule": (QUEUE, {}),
    "ExemplarModule": (QUEUE, {}),
    "SupConModule": (QUEUE, {}),
    "SupervisedModule": ({}, CLASSES),
    "CrossEntropyMoCoModule": (QUEUE, {**CLASSES, "contrast_weight": NOT_NEGATIVE}),
    "CrossEntropySupConModule": (QUEUE, {**CLASSES, "supcon_weight": NOT_NEGATIVE}),
    "SupConMoCoModule": (QUEUE, WEIGHTS),
    "InstDiscModule": (
        {"num_images": 16},
        {"num_images": whole(2), "num_negatives": optional(whole(1))},
    ),
    "SimCLRModule": ({}, VIEWS),
    "InBatchSupConModule": ({}, VIEWS),
    "InBatchExemplarModule": ({}, VIEWS),
    "NNCLRModule": ({**QUEUE, **HEADS, "predictor_dim": 8}, {}),
    "BYOLModule": (HEADS, {}),
    "DINOModule": ({**HEADS, "num_prototypes": 8}, DISTILLATION),
    "MoCoV3Module": (HEADS, {}),
    "SimSiamModule": ({"projection_dim": 8, "bottleneck_dim": 4}, {}),
    "BarlowTwinsModule": (HEADS, {**REDUNDANCY, "bias_rate": NOT_NEGATIVE}),
    "VICRegModule": (HEADS, VARIANCE),
}
NET = Backbone("test_resnet")


def objectives() -> dict:
    return {"contrast": Contrast(NET.dim, SupConLoss(0.1), queue_size=16)}


CALLS = [
    *(
        Call(
            f"instdisc.{name}",
            lambda small=small: {"backbone": NET, **small},
            {"backbone": BACKBONE, "milestones": MILESTONES, **sorts},
        )
        for name, (small, sorts) in METHODS.items()
    ),
    Call(
        "instdisc.PretrainModule",
        lambda: {"backbone": NET, "objectives": objectives()},
        {
            "backbone": BACKBONE,
            "milestones": MILESTONES,
            "objectives": OBJECT.also(empty={}, no_objectives={"a": 3}),
        },
    ),
    Call("instdisc.methods.Objective", dict, {"weight": NOT_NEGATIVE}),
    Call("instdisc.methods.ParameterOptions", dict, {"rate": number(above=0)}),
    Call(
        "instdisc.methods.Classification",
        lambda: {"dim": 8, "num_classes": 4},
        {"num_classes": whole(2), "weight": NOT_NEGATIVE},
    ),
    Call(
        "instdisc.methods.Contrast",
        lambda: {"dim": 8, "loss": SupConLoss(0.1), "queue_size": 16},
        {"weight": NOT_NEGATIVE},
    ),
    *(
        Call(
            f"instdisc.methods.{name}",
            lambda: {"projector": MLP(8, (8, 4))},
            {**sorts, "projector": OBJECT, "weight": NOT_NEGATIVE},
        )
        for name, sorts in {"BarlowTwins": REDUNDANCY, "VICReg": VARIANCE}.items()
    ),
    Call(
        "instdisc.methods.SelfDistillation",
        lambda: {"dim": 8, "num_prototypes": 8, **HEADS},
        {"weight": NOT_NEGATIVE, **{n: s for n, s in DISTILLATION.items() if n != "clip"}},
    ),
    Call(
        "instdisc.methods.InBatchContrast",
        lambda: {"projector": Projector(8, 4), "loss": SupConLoss(0.1)},
        {"num_views": whole(2), "weight": NOT_NEGATIVE},
    ),
    Call(
        "instdisc.methods.NeighbourContrast",
        lambda: {"projector": MLP(8, (8, 4)), "predictor": MLP(4, (8, 4)), **QUEUE},
        {
            "projector": OBJECT,
            "predictor": OBJECT.also(
                other_input=lambda good: MLP(8, (8, 4)), linear=lambda good: nn.Linear(4, 4)
            ),
            "weight": NOT_NEGATIVE,
        },
    ),
    *(
        Call(
            f"instdisc.methods.{name}",
            lambda more=more: {
                "projector": MLP(8, (8, 4)),
                "predictor": MLP(4, (8, 4)),
                **more,
            },
            {
                "projector": OBJECT,
                "predictor": OBJECT.also(
                    other_input=lambda good: MLP(8, (8, 4)),
                    other_output=lambda good: MLP(4, (8, 8)),
                    linear=lambda good: nn.Linear(4, 4),
                ),
                "weight": NOT_NEGATIVE,
            },
        )
        for name, more in {
            "Prediction": {},
            "CosinePrediction": {},
            "PredictedContrast": {"loss": SupConLoss(0.1)},
        }.items()
    ),
    Call(
        "instdisc.methods.MemoryBankContrast",
        lambda: {"dim": 8, "loss": SupConLoss(0.1), "num_images": 16},
        {"weight": NOT_NEGATIVE, "num_images": whole(2)},
    ),
    Call(
        "instdisc.methods.SampledContrast",
        lambda: {"dim": 8, "num_images": 16},
        {"weight": NOT_NEGATIVE, "num_images": whole(2), "num_negatives": whole(1)},
    ),
    Call(
        "instdisc.methods.learning_rate_factor",
        lambda: {"step": 3, "num_steps": 10},
        {
            "step": number(at_least=0),
            "num_steps": whole(1),
            "milestones": MILESTONES,
        },
    ),
]
