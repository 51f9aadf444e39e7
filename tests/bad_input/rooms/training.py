"""Batches that a loader hands to a method, in training and in validation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import Backbone, MoCoModule, SupervisedModule
from instdisc.testing.runs import fit

from ..calls import Call
from ..sorts import LABELS, sequence, tensor

NET = Backbone("test_resnet")
VIEW = tensor().also(channels=lambda good: good[:, :1], one_image=lambda good: good[0])
VIEWS = (
    sequence(VIEW)
    .without("object")
    .also(
        one_view=lambda good: good[:1],
        other_length=lambda good: [good[0], good[1][1:]],
        tensor=lambda good: good[0],
    )
)
CLASSES = LABELS.also(
    other_length=lambda good: good[1:],
    names=lambda good: ["cat"] * 4,
    names_tuple=lambda good: ("cat",) * 4,
)


def batch() -> dict:
    return {"images": [torch.randn(4, 3, 16, 16) for _ in range(2)], "labels": torch.arange(4)}


def one_image() -> dict:
    return {"images": torch.randn(4, 3, 16, 16), "labels": torch.arange(4)}


def moco() -> MoCoModule:
    return MoCoModule(NET, queue_size=16, batch_norm_groups=1)


def train_moco(images: Sequence[Tensor], labels: Tensor) -> None:
    fit(moco(), [(images, labels)])


def train_supervised(images: Sequence[Tensor], labels: Tensor) -> None:
    fit(SupervisedModule(NET, num_classes=4), [(images, labels)])


def validate(images: Tensor, labels: Tensor) -> None:
    moco().validation_step((images, labels), 0)


HIGH = {"too_high": lambda good: good + 4, "unknown": lambda good: -torch.ones_like(good)}

CALLS = [
    Call(
        "instdisc.MoCoModule:fit",
        batch,
        {"images": VIEWS, "labels": CLASSES},
        function=lambda: train_moco,
    ),
    Call(
        "instdisc.SupervisedModule:fit",
        batch,
        {"images": VIEWS.without("one_view"), "labels": CLASSES.also(**HIGH)},
        function=lambda: train_supervised,
    ),
    Call(
        "instdisc.MoCoModule:validation_step",
        one_image,
        {"images": VIEW.without("object"), "labels": CLASSES},
        function=lambda: validate,
    ),
]
