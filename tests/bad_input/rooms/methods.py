"""Methods and their objectives."""

from instdisc import Backbone, SupConLoss
from instdisc.methods import Contrast

from ..calls import Call
from ..sorts import NOT_NEGATIVE, OBJECT, number, optional, sequence, whole

MILESTONES = sequence(number(above=0, below=1), empty=True).also(
    number=0.6, falling=(0.8, 0.6), epochs=(120, 160)
)
BACKBONE = OBJECT.also(unknown_name="resnet5000")
WEIGHTS = {"contrast_weight": NOT_NEGATIVE, "supcon_weight": NOT_NEGATIVE}
METHODS = {
    "MoCoModule": {},
    "ExemplarModule": {},
    "SupConModule": {},
    "InstDiscModule": {"num_images": whole(2), "num_negatives": optional(whole(1))},
    "SupervisedModule": {"num_classes": whole(2)},
    "CrossEntropyMoCoModule": {"num_classes": whole(2), "contrast_weight": NOT_NEGATIVE},
    "CrossEntropySupConModule": {"num_classes": whole(2), "supcon_weight": NOT_NEGATIVE},
    "SupConMoCoModule": WEIGHTS,
}
SIZES: dict[str, dict] = {"SupervisedModule": {}, "InstDiscModule": {"num_images": 16}}
NET = Backbone("test_resnet")


def objectives() -> dict:
    return {"contrast": Contrast(NET.dim, SupConLoss(0.1), queue_size=16)}


CALLS = [
    *(
        Call(
            f"instdisc.{name}",
            lambda name=name: {
                "backbone": NET,
                **SIZES.get(name, {"queue_size": 16}),
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
    Call(
        "instdisc.methods.MemoryBankContrast",
        lambda: {"dim": 8, "loss": SupConLoss(0.1), "num_images": 16},
        {"weight": NOT_NEGATIVE, "num_images": whole(2)},
    ),
    Call(
        "instdisc.methods.SampledContrast",
        lambda: {"dim": 8, "num_images": 16},
        {"weight": NOT_NEGATIVE, "num_images": whole(2)},
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
