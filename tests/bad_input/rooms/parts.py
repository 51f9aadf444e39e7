"""Types of the top level, what processes share, and the public batteries."""

import torch

from instdisc import Backbone, MoCoModule, Scenes, SupConLoss
from instdisc.testing.runs import make_batches

from ..calls import Call
from ..sorts import OBJECT, optional, sequence, tensor, whole

TENSOR = tensor(ndim=False, empty=True).without("uint8", "int64")
TENSORS = sequence(OBJECT.without("tensor"), empty=True)


def moco() -> MoCoModule:
    return MoCoModule(Backbone("test_resnet"), queue_size=16, batch_norm_groups=2)


CALLS = [
    Call("instdisc.distributed.gather", lambda: {"tensor": torch.ones(2)}, {"tensor": TENSOR}),
    Call(
        "instdisc.distributed.gather_with_gradient",
        lambda: {"tensor": torch.ones(2)},
        {"tensor": TENSOR},
    ),
    Call(
        "instdisc.distributed.gather_uneven", lambda: {"tensor": torch.ones(2)}, {"tensor": TENSOR}
    ),
    Call(
        "instdisc.distributed.shuffle",
        lambda: {"images": torch.ones(2), "seed": 0},
        {"images": TENSOR.also(scalar=lambda good: good[0]), "seed": whole(0)},
    ),
    Call(
        "instdisc.distributed.unshuffle",
        lambda: {"features": torch.ones(2), "order": torch.arange(2)},
        {
            "features": TENSOR.also(scalar=lambda good: good[0]),
            "order": tensor(torch.int64).also(other_length=lambda good: good[1:]),
        },
    ),
    Call(
        "instdisc.distributed.average", lambda: {"tensors": [torch.ones(2)]}, {"tensors": TENSORS}
    ),
    Call(
        "instdisc.distributed.broadcast", lambda: {"tensors": [torch.ones(2)]}, {"tensors": TENSORS}
    ),
    Call("instdisc.testing.check_loss", lambda: {"loss": SupConLoss(0.1)}, seconds=60),
    Call(
        "instdisc.testing.check_method",
        lambda: {"module": moco(), "two_processes": False, "image_size": 16, "batch_size": 4},
        {"batch_size": optional(whole(2).also(odd=5))},
        seconds=120,
    ),
    Call(
        "instdisc.testing.check_source",
        lambda: {"make": lambda: Scenes(6, image_size=32), "two_processes": False},
        {
            "make": OBJECT.also(source=Scenes(6, image_size=32), text="scenes"),
            "broken": sequence(whole(0, 5), empty=True),
        },
        seconds=60,
    ),
    Call(
        "instdisc.testing.check_two_processes",
        lambda: {"modules": [moco()], "batches": make_batches(2, 4, 16)},
        {"modules": sequence(OBJECT), "batches": sequence(OBJECT)},
        seconds=120,
    ),
]

EXEMPT = {
    "instdisc.distributed.world_size": "it takes no arguments",
    "instdisc.distributed.rank": "it takes no arguments",
    "instdisc.Views": "a plain tuple of a batch; the methods that take one check it",
    "instdisc.Bank": "a plain tuple of tensors; the losses that take one check it",
}
