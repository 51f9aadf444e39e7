"""Methods and their objectives."""

from instdisc import Backbone, SupConLoss
from instdisc.methods import Contrast

from ..calls import Call
from ..sorts import NOT_NEGATIVE, OBJECT, number, sequence, whole

MILESTONES = sequence(number(above=0, below=1), empty=True).also(
    number=0.6, falling=(0.8, 0.6), epochs=(120, 160)
)
BACKBONE = OBJECT.also(unknown_name="resnet5000")
WEIGHTS = {"contrast_weight": NOT_NEGATIVE, "supcon_weight": NOT_NEGATIVE}
REDUNDANCY = {"hidden_dim": whole(1), "redundancy_weight": NOT_NEGATIVE}
VARIANCE = {
    "hidden_dim": whole(1),
    "invariance_weight": NOT_NEGATIVE,
    "variance_weight": NOT_NEGATIVE,
    "covariance_weight": NOT_NEGATIVE,
}
METHODS = {
    "BarlowTwinsModule": {**REDUNDANCY, "bias_rate": NOT_NEGATIVE},
    "VICRegModule": VARIANCE,
    "MoCoModule": {},
    "ExemplarModule": {},
    "SupConModule": {},
    "SupervisedModule": {"num_classes": whole(2)},
    "CrossEntropyMoCoModule": {"num_classes": whole(2), "contrast_weight": NOT_NEGATIVE},
    "CrossEntropySupConModule": {"num_classes": whole(2), "supcon_weight": NOT_NEGATIVE},
    "SupConMoCoModule": WEIGHTS,
}
HEAD = {"hidden_dim": 8, "projection_dim": 8}
SMALL = {"SupervisedModule": {}, "BarlowTwinsModule": HEAD, "VICRegModule": HEAD}
NET = Backbone("test_resnet")


def objectives() -> dict:
    return {"contrast": Contrast(NET.dim, SupConLoss(0.1), queue_size=16)}


CALLS = [
    *(
        Call(
            f"instdisc.{name}",
            lambda name=name: {
                "backbone": NET,
                **SMALL.get(name, {"queue_size": 16}),
            },
            {"backbone": BACKBONE, "milestones": MILESTONES, **sorts},
        )
        for name, sorts in METHODS.items()
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
            lambda: {"dim": 8, **HEAD},
            {**sorts, "weight": NOT_NEGATIVE},
        )
        for name, sorts in {"BarlowTwins": REDUNDANCY, "VICReg": VARIANCE}.items()
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
