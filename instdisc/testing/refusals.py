"""Batches that a method must refuse, and labels that it must leave alone."""

from __future__ import annotations

import copy
from typing import Any

import torch

from instdisc.losses import ContrastiveLoss
from instdisc.methods import PretrainModule
from instdisc.methods.training.views import named_views
from instdisc.types import UNKNOWN_LABEL, Views

from .runs import fit
from .watching import Recorder, check


def check_bad_batches(module: PretrainModule, batch: Views) -> None:
    """A tensor for the views, too few views, unknown labels, a loss that is not finite.

    Args:
        module: an untrained method; it is copied.
        batch: a good one.

    Raises:
        AssertionError: if one is not refused, or labels matter to a method that needs none.
    """
    images, labels, indices = batch
    _check_refused(module, (images[0], labels), TypeError, "a tensor in place of the views")
    objectives: list[Any] = list(module.objectives.values())
    needed = 1 + max(view for views in named_views(objectives) for view in views)
    if needed > 1:
        few = Views(images[: needed - 1], labels, indices)
        what = "a single view" if needed == 2 else f"{needed - 1} views instead of {needed}"
        _check_refused(module, few, ValueError, what)
    unknown = torch.full_like(labels, UNKNOWN_LABEL)
    if any(objective.needs_labels for objective in objectives):
        _check_refused(module, Views(images, unknown, indices), ValueError, "unknown labels")
    else:
        losses = []
        for batch_labels in (labels, unknown):
            recorder = Recorder()
            torch.manual_seed(0)
            fit(copy.deepcopy(module), [Views(images, batch_labels, indices)], recorder)
            losses.append(recorder.losses[0])
        check(
            _asks_for_labels(module) or torch.equal(losses[0], losses[1]),
            "labels change the loss of a method that does not need them",
        )
    broken = Views([image * float("nan") for image in images], labels, indices)
    _check_refused(module, broken, FloatingPointError, "a loss that is not finite")


def _check_refused(module: PretrainModule, batch: Any, error: type[Exception], what: str) -> None:
    try:
        fit(copy.deepcopy(module), [batch])
    except error:
        return
    except Exception as other:
        raise AssertionError(
            f"{what} is met with {type(other).__name__} instead of {error.__name__}: {other}"
        ) from other
    raise AssertionError(f"{what} is not refused with {error.__name__}")


def _asks_for_labels(module: PretrainModule) -> bool:
    """Whether a loss sorts keys by class, and takes those of unknown class as they come."""
    labels = torch.arange(2)
    return any(
        rule(labels, labels) is not None
        for loss in module.modules()
        if isinstance(loss, ContrastiveLoss)
        for rule in (loss.negatives, loss.positives)
    )
