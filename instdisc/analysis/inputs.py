"""What an analysis takes, checked in one place: features, pairs of them, classes, stages.

Legend: N images, D width, C classes, S stages.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import checks
from instdisc.data import ImageSource
from instdisc.models import Backbone
from instdisc.transfer import Features

FEWEST = 4  # rows; the unbiased HSIC needs that many


def feature_rows(name: str, features: Tensor | Features, *, at_least: int = FEWEST) -> Tensor:
    """Features as a matrix in float64.

    Args:
        name: of the argument.
        features: ``(N, D)`` float, or `Features`.
        at_least: fewest rows.

    Returns:
        ``(N, D)`` float64.

    Raises:
        TypeError: if they are neither.
        ValueError: if they are no matrix, have fewer rows or no column, are not finite, or are the
            same in every row: then they tell nothing.

    Example:
        >>> feature_rows("features", torch.ones(5, 2))
        Traceback (most recent call last):
        ValueError: `features` must be different in some rows, got the same 2 numbers in all 5. The
        representation has collapsed.
    """
    rows = features.features if isinstance(features, Features) else features
    rows = checks.shape(name, rows, ("N", "D")).detach()
    checks.dtype(name, rows, checks.FLOATS)
    if len(rows) < at_least or not rows.shape[1]:
        checks.refuse(name, f"of at least {at_least} rows and one column", rows)
    checks.all_finite(name, rows, row="image")
    if bool((rows == rows[0]).all()):
        checks.refuse(
            name,
            "different in some rows",
            Words(f"the same {rows.shape[1]} numbers in all {len(rows)}"),
            "The representation has collapsed.",
        )
    return rows.double()


def unit_rows(name: str, rows: Tensor) -> Tensor:
    """Rows divided by their lengths.

    Args:
        name: of the argument.
        rows: ``(N, D)`` float.

    Returns:
        ``(N, D)`` float64.

    Raises:
        ValueError: if a row is zero: it has no direction.

    Example:
        >>> unit_rows("features", torch.tensor([[3.0, 4], [1, 0], [0, 0], [0, 1]]))
        Traceback (most recent call last):
        ValueError: `features` must be without rows of zeros, which have no direction, got image 2
    """
    rows = rows.double()
    # By the largest number first: squares of tiny numbers are 0.
    sizes = rows.abs().amax(1, keepdim=True)
    zero = (sizes[:, 0] == 0).nonzero()[:, 0]
    if len(zero):
        rule = "without rows of zeros, which have no direction"
        checks.refuse(name, rule, Words(f"image {int(zero[0])}"))
    rows = rows / sizes
    return rows.div_(rows.norm(dim=1, keepdim=True))


def paired_rows(
    names: tuple[str, str],
    a: Tensor | Features,
    b: Tensor | Features,
    *,
    at_least: int = FEWEST,
) -> tuple[Tensor, Tensor]:
    """Two features of the same images.

    Args:
        names: of the arguments.
        a: ``(N, D)`` float, or `Features`.
        b: ``(N, D')``, likewise.
        at_least: fewest rows.

    Raises:
        TypeError, ValueError: see `feature_rows`; if they differ in the number of images, or both
            tell the images' names and these differ.
    """
    rows = (
        feature_rows(names[0], a, at_least=at_least),
        feature_rows(names[1], b, at_least=at_least),
    )
    if len(rows[0]) != len(rows[1]):
        checks.refuse(
            names[1],
            f"of the same {len(rows[0])} images as `{names[0]}`",
            Words(f"{len(rows[1])}"),
        )
    called = [list(side.names) if isinstance(side, Features) else [] for side in (a, b)]
    if all(called) and called[0] != called[1]:
        row = next(k for k, (x, y) in enumerate(zip(*called, strict=True)) if x != y)
        checks.refuse(
            names[1],
            f"of the same images as `{names[0]}`, in the same order",
            Words(f"{called[1][row]!r} for {called[0][row]!r} in row {row}"),
        )
    return rows


def class_rows(
    name: str, labels: Tensor, count: int, *, at_least: int = 2
) -> tuple[Tensor, Tensor]:
    """Where images of known class are, and their classes from 0 without gaps.

    Args:
        name: of the argument.
        labels: ``(N,)`` int64; -1 where unknown.
        count: N.
        at_least: fewest images of known class.

    Returns:
        ``(M,)`` int64 positions, and ``(M,)`` int64 classes, 0 to C - 1, each of which occurs.

    Raises:
        TypeError: if they are no int64 tensor.
        ValueError: if they are not as many as the images, below -1, of fewer than two classes or
            fewer known images.

    Example:
        >>> class_rows("labels", torch.tensor([7, -1, 3, 7]), 4)
        (tensor([0, 2, 3]), tensor([1, 0, 1]))
    """
    checks.shape(name, labels, (count,), remedy="There must be one for each row of `features`.")
    checks.dtype(name, labels, torch.int64)
    if bool((labels < -1).any()):
        checks.refuse(name, "of at least -1", int(labels.min()))
    labels = labels.cpu()
    positions = (labels >= 0).nonzero()[:, 0]
    seen, classes = labels[positions].unique(return_inverse=True)
    if len(seen) < 2:
        checks.refuse(name, "of at least two known classes", Words(f"{len(seen)}"))
    if len(positions) < at_least:
        rule = f"of at least {at_least} images of known class"
        checks.refuse(name, rule, Words(f"{len(positions)}"))
    return positions, classes


def stage_positions(
    stages: Sequence[int] | None, backbone: Backbone, name: str = "stages"
) -> list[int]:
    """Stages of a backbone as positions in its maps.

    Args:
        stages: numbers from 1, shallow to deep; ``None`` for all.
        backbone: whose.
        name: of the argument.

    Raises:
        TypeError: if one is no whole number.
        ValueError: if the backbone has no such stage, or none is asked for, or one twice.

    Example:
        >>> stage_positions([5], Backbone("test_resnet"))
        Traceback (most recent call last):
        ValueError: `stages` must be a whole number of at least 1 and at most 4, got 5. They are
        'layer1' to 'layer4' of 'test_resnet'.
    """
    count = len(backbone.stages)
    if stages is None:
        return list(range(count))
    if not isinstance(stages, list | tuple) or not stages:
        checks.refuse(name, "a list of at least one number, or None", stages)
    ends = f"{backbone.stages[0]!r} to {backbone.stages[-1]!r}"
    for stage in stages:
        remedy = f"They are {ends} of {backbone.name!r}."
        checks.whole(name, stage, at_most=count, remedy=remedy)
    if len(set(stages)) < len(stages):
        checks.refuse(name, "numbers each of which stands there once", list(stages))
    return [stage - 1 for stage in stages]


def check_network(backbone: Backbone, device: str | torch.device, **sets: ImageSource) -> None:
    """Refuses what no analysis of a checkpoint can look at, before anything is computed.

    Args:
        backbone: the network.
        device: where it is to compute.
        sets: images by the name of their argument.

    Raises:
        TypeError: if they are of another kind.
        ValueError: if torch does not know the device, or a set has fewer than 4 images.
    """
    checks.instance("backbone", backbone, Backbone, "a Backbone")
    checks.device("device", device)
    for name, images in sets.items():
        checks.instance(name, images, ImageSource, "a set of images")
        if len(images) < FEWEST:
            checks.refuse(name, f"of at least {FEWEST} images", len(images))


class Words(str):
    """A value that an error shows without quotation marks."""

    def __repr__(self) -> str:
        return str(self)
