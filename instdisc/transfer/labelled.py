"""Labels and features of known class, checked before anything is trained on them.

Legend: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .features.extract import Features


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
    known = (labels >= 0).nonzero()[:, 0].cpu()
    if not len(known):
        raise ValueError(f"`{name}` must hold images of known class, got none in {len(labels)}")
    outside = ((labels < -1) | (labels >= num_classes)).nonzero()[:, 0]
    if len(outside):
        row = int(outside[0])
        raise ValueError(
            f"`{name}`: label {int(labels[row])} of image {row} is outside the "
            f"{num_classes} classes"
        )
    return known


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
