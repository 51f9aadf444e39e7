"""The classes of the training images, looked at before the first step.

Legend: N images.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from instdisc.types import UNKNOWN_LABEL

from ..objectives import Objective


def check_classes(method: str, loader: Any, objectives: Collection[Objective]) -> None:
    """Refuses a training set without the classes that a method compares.

    With one class no key is a negative of the exemplar loss, and a classifier has nothing to
    distinguish: the loss would be 0 without any message. A loader without labels is not checked
    here; its batches show at least which labels are unknown.

    Args:
        method: its name, for the message.
        loader: of the training; its data set, or the images of that, may have ``labels`` or
            ``targets``, ``(N,)`` whole numbers, -1 = unknown.
        objectives: the terms of the loss.

    Raises:
        ValueError: if an objective needs labels, and some are unknown or all are the same.
    """
    if not any(objective.needs_labels for objective in objectives):
        return
    labels = _labels(getattr(loader, "dataset", None))
    if labels is None:
        return
    remedy = "Sort the images into class folders, or pretrain with MoCoModule, which needs none."
    unknown = int((labels == UNKNOWN_LABEL).sum())
    if unknown:
        raise ValueError(
            f"{method} needs a class for every image, but {unknown} of {len(labels)} training "
            f"images have none (label -1, unknown). {remedy}"
        )
    if bool((labels == labels[:1]).all()):  # not unique(), which sorts them
        raise ValueError(
            f"{method} needs images of at least 2 classes, but all {len(labels)} training images "
            f"are of one, label {int(labels[0])}. {remedy}"
        )


def _labels(dataset: Any) -> Tensor | None:
    """``(N,)`` the labels of a data set; ``None`` if it does not show them."""
    for place in (dataset, getattr(dataset, "images", None)):
        for name in ("labels", "targets"):
            try:
                labels = torch.as_tensor(getattr(place, name))
            except (AttributeError, TypeError, ValueError, RuntimeError):
                continue
            if labels.ndim == 1 and len(labels) and not labels.is_floating_point():
                return labels
    return None
