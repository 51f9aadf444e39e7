"""Callbacks."""

from instdisc import Scenes

from ..calls import Call
from ..sorts import OBJECT, PATH, POSITIVE, number, optional, sequence, whole

SCENES = Scenes(16, image_size=32, num_categories=2)
MEAN = sequence(number()).also(two=(0.5, 0.5))
STD = sequence(POSITIVE).also(two=(0.5, 0.5), zero=(0.5, 0.0, 0.5))

CALLS = [
    Call(
        "instdisc.callbacks.FewShotAccuracy",
        lambda: {"images": SCENES, "queries": 1, "shots": (1,), "ways": 2},
        {"images": OBJECT.also(empty={}), "shots": sequence(whole(1)), "ways": whole(2)},
        raises={"images": FileNotFoundError},
    ),
    Call("instdisc.callbacks.MemoryBankKNN", dict, {"temperature": optional(POSITIVE)}),
    Call("instdisc.callbacks.GeometryMonitor", dict, {"max_images": whole(4)}),
    Call(
        "instdisc.callbacks.NewestCheckpoint",
        dict,
        {
            "dirpath": optional(PATH),
            "every_n_epochs": optional(whole(1)),
            "every_n_train_steps": optional(whole(1)),
        },
    ),
    Call("instdisc.callbacks.OnlineKNN"),
    Call("instdisc.callbacks.ViewPictures", dict, {"mean": MEAN, "std": STD}),
    Call(
        "instdisc.callbacks.OnlineLinearProbe",
        lambda: {"num_classes": 4},
        {"num_classes": whole(2)},
    ),
]

EXEMPT = {
    "instdisc.distributed.from_first": "it runs whatever it is called with",
    "instdisc.callbacks.ObjectiveMonitor": "it takes no arguments",
    "instdisc.callbacks.Throughput": "it takes no arguments",
}
