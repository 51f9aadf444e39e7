"""Labels and features of known class, checked before anything is trained on them.

Legend: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import checks

from .features.extract import Features


def check_table(features: Features, name: str) -> None:
    """Refuses what is no table of features with a label for each, and a name for each or none.

    Args:
        features: of a set of images.
        name: of the argument, for messages.

    Raises:
        TypeError, ValueError: names the part, e.g. `train.labels`.

    Example:
        >>> import torch
        >>> check_table(Features(torch.eye(3), torch.zeros(3)), "train")
        Traceback (most recent call last):
        TypeError: `train.labels` must be of torch.int64, got (3,) torch.float32
    """
    checks.instance(name, features, Features, "Features")
    table = checks.shape(f"{name}.features", features.features, ("N", "D"))
    checks.dtype(f"{name}.features", table, checks.FLOATS)
    if not table.numel():
        checks.refuse(name, "of at least one image and one number", table)
    checks.dtype(f"{name}.labels", features.labels, torch.int64)
    checks.shape(f"{name}.labels", features.labels, (len(table),))
    if len(features.names) not in (0, len(table)):
        rule = f"as many as there are features, {len(table)}, or none"
        checks.refuse(f"{name}.names", rule, list(features.names))


def check_widths(train: Features, test: Features, names: tuple[str, str]) -> None:
    """Refuses features of two backbones, as far as their widths tell.

    Example:
        >>> import torch
        >>> wide, narrow = (Features(torch.eye(n), torch.arange(n)) for n in (3, 2))
        >>> check_widths(wide, narrow, ("train", "test"))
        Traceback (most recent call last):
        ValueError: `test.features` must be a tensor (N, 3) like those of `train`, got (2, 2)
        torch.float32
    """
    width = train.features.shape[1]
    if test.features.shape[1] != width:
        rule = f"a tensor (N, {width}) like those of `{names[0]}`"
        checks.refuse(f"{names[1]}.features", rule, test.features)


def labelled_features(features: Features, num_classes: int, name: str) -> Features:
    """The features of known class, in float32.

    Args:
        features: of a set of images.
        num_classes: C.
        name: of the argument, for messages.

    Raises:
        ValueError: if there is none, a label is outside the classes, or a feature is not finite.

    Example:
        >>> import torch
        >>> some = Features(torch.eye(3), torch.tensor([0, -1, 1]))
        >>> labelled_features(some, 2, "train").labels
        tensor([0, 1])
    """
    check_table(features, name)
    rows = check_labels(features.labels, num_classes, name)
    kept = features.features[rows].float()
    bad = (~kept.isfinite()).any(1).nonzero()[:, 0]
    if len(bad):
        raise ValueError(
            f"`{name}`: the features of image {int(rows[bad[0]])} are not finite. The backbone's "
            "weights are broken; load another checkpoint."
        )
    return features.rows(rows)._replace(features=kept)


def check_labels(labels: Tensor, num_classes: int, name: str) -> Tensor:
    """Positions of the images of known class.

    Args:
        labels: ``(N,)`` int64; -1 where unknown.
        num_classes: C.
        name: of the argument that holds the images, for messages.

    Returns:
        ``(M,)`` int64.

    Raises:
        ValueError: if there is none, or a label is outside the classes.

    Example:
        >>> import torch
        >>> check_labels(torch.tensor([0, -1, 1]), 2, "train")
        tensor([0, 2])
    """
    labelled = (labels >= 0).nonzero()[:, 0].cpu()
    if not len(labelled):
        raise ValueError(f"`{name}` must hold images of known class, got none in {len(labels)}")
    outside = ((labels < -1) | (labels >= num_classes)).nonzero()[:, 0]
    if len(outside):
        row = int(outside[0])
        raise ValueError(
            f"`{name}`: label {int(labels[row])} of image {row} is outside the "
            f"{num_classes} classes"
        )
    return labelled


def count_classes(labels: Tensor, classes: Sequence[str], name: str) -> int:
    """How many classes a classifier must tell apart: those named, or else those seen.

    Args:
        labels: ``(N,)`` int64; -1 where unknown.
        classes: their names; may be empty.
        name: of the argument that holds the images, for messages.

    Raises:
        ValueError: if fewer than two classes are seen, or a label is outside those named.

    Example:
        >>> import torch
        >>> count_classes(torch.tensor([0, 1]), ["ant", "bee", "cow"], "train")
        3
    """
    seen = labels[labels >= 0].unique()
    if len(seen) < 2:
        named = f" ({classes[int(seen[0])]!r})" if len(seen) and int(seen[0]) < len(classes) else ""
        raise ValueError(f"`{name}` must show at least two known classes, got {len(seen)}{named}")
    num_classes = len(classes) or int(seen[-1]) + 1
    check_labels(labels, num_classes, name)
    return num_classes
