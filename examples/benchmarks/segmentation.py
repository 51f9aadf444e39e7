"""Row of the benchmark: the confusion matrix of segmentation, beside torchmetrics'."""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

from instdisc.metrics import confusion_matrix
from instdisc.types import IGNORED_CLASS

Contenders = dict[str, Callable[[], Any]]
_CLASSES = 19  # of Cityscapes


def confusion(options: argparse.Namespace) -> Contenders:
    """How often each class is predicted as each, a tenth of the pixels ignored."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, *options.segmented)
    predictions = torch.randint(_CLASSES, shape, generator=generator)
    labels = torch.randint(_CLASSES, shape, generator=generator)
    labels[torch.rand(shape, generator=generator) < 0.1] = IGNORED_CLASS
    maps = predictions.to(options.device), labels.to(options.device)
    ours = partial(confusion_matrix, *maps, _CLASSES)
    theirs = partial(multiclass_confusion_matrix, *maps, _CLASSES, ignore_index=IGNORED_CLASS)
    if not torch.equal(ours()[0], theirs()):
        raise RuntimeError("the contenders disagree")
    return {
        "torchmetrics": theirs,
        "torchmetrics, without its checks": partial(theirs, validate_args=False),
        "ours": ours,
    }
