"""How features fill the unit sphere: alignment, uniformity, silhouette.

Legend: N images, D width, M images at most where pairs are compared.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import Features

from ..inputs import feature_rows, paired_rows, unit_rows
from .units import labelled_rows, matrix_of

MAX_IMAGES = 4096
_AT_ONCE = 2**22  # pairs


@checked_call()
class Uniformity(NamedTuple):
    """How evenly features fill the sphere.

    Attributes:
        value: log of the mean potential, 0 where all are one point, lower is more even.
        images: how many images were compared, all pairs of them.
        error: standard error of `value` over images.
    """

    value: float
    images: int
    error: float


@checked_call()
def alignment(views_a: Tensor | Features, views_b: Tensor | Features) -> float:
    """Mean squared distance of two views of an image, on the unit sphere; 0 to 4.

        mean_i ||f(x_i) - f(x_i')||^2

    Args:
        views_a: ``(N, D)`` float, or `Features`, of a view of each image.
        views_b: likewise, of another view of the same images.

    Raises:
        TypeError, ValueError: see `paired_rows`; if the widths differ or a row is zero.

    Source:
        Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and
        Uniformity on the Hypersphere" (2020), with alpha = 2.

    Example:
        >>> alignment(torch.eye(4), 2 * torch.eye(4))
        0.0
    """
    return float(view_distances(views_a, views_b).mean())


def view_distances(views_a: Tensor | Features, views_b: Tensor | Features) -> Tensor:
    """``(N,)`` float64 squared distances of two views on the unit sphere; see `alignment`."""
    names = ("views_a", "views_b")
    a, b = paired_rows(names, views_a, views_b)
    checks.shape("views_b", b, ("N", a.shape[1]), remedy="Both views are of one layer.")
    distances: Tensor = (unit_rows(names[0], a) - unit_rows(names[1], b)).square().sum(1)
    return distances


@checked_call()
def uniformity(
    features: Tensor | Features,
    *,
    t: float = 2.0,
    max_images: int | None = MAX_IMAGES,
    seed: int = 0,
) -> Uniformity:
    """How evenly features fill the unit sphere.

        log mean_{i < j} exp(-t ||f(x_i) - f(x_j)||^2)

    Args:
        features: ``(N, D)`` float, or `Features`.
        t: of the potential.
        max_images: at most so many images, drawn by `seed`, whose pairs are compared: the time
            grows with their square. ``None``: all.
        seed: of the draw.

    Raises:
        TypeError, ValueError: see `feature_rows`; if a row is zero or a number out of range.

    Source:
        Wang and Isola (2020), with t = 2, pairs of an image with itself left out. The standard
        error is ours, that of a U-statistic.

    Example:
        >>> round(uniformity(torch.cat([torch.eye(3), -torch.eye(3)])).value, 3)
        -4.219
    """
    checks.positive("t", t)
    rows = feature_rows("features", drawn(matrix_of(features), max_images, seed))
    units = unit_rows("features", rows)
    count = len(units)
    sums = units.new_zeros(count)  # of each image's potentials
    step = max(1, _AT_ONCE // count)
    for start in range(0, count, step):
        cosines = units[start : start + step] @ units.T  # (step, M)
        potential = (2 * t * (cosines - 1)).exp()
        potential.diagonal(start).zero_()
        sums[start : start + step] = potential.sum(1)
    means = sums / (count - 1)
    mean = means.mean()
    if not float(mean) > 0:
        checks.refuse("t", "so small that some potential is above 0", t)
    error = 2 * means.std() / count**0.5 / mean
    return Uniformity(float(mean.log()), count, float(error))


@checked_call()
def silhouette(
    features: Tensor | Features,
    labels: Tensor | None = None,
    *,
    metric: str = "cosine",
    max_images: int | None = MAX_IMAGES,
    seed: int = 0,
) -> float:
    """Mean silhouette: how much nearer an image is to its class than to the next one; -1 to 1.

    Args:
        features: ``(N, D)`` float, or `Features`.
        labels: ``(N,)`` int64; images of unknown class (-1) are left out. ``None``: those of
            `Features`.
        metric: ``"cosine"`` or ``"euclidean"``.
        max_images: see `uniformity`.
        seed: of the draw.

    Raises:
        TypeError, ValueError: see `feature_rows`, `class_rows`; if a row is zero (cosine), every
            image is a class of its own, or the drawn images show one class alone.

    Source:
        Rousseeuw, "Silhouettes" (1987), as scikit-learn computes it.

    Example:
        >>> rows = torch.tensor([[1.0, 0.1], [1, -0.1], [0.1, 1], [-0.1, 1]])
        >>> round(silhouette(rows, torch.tensor([0, 0, 1, 1])), 3)
        0.98
    """
    from sklearn.metrics import silhouette_score  # slow to import

    checks.choice("metric", metric, ("cosine", "euclidean"))
    rows, classes = labelled_rows(features, labels)
    chosen = drawn(torch.arange(len(rows)), max_images, seed)
    rows = rows[chosen]
    if metric == "cosine":
        rows = unit_rows("features", rows)
    seen = classes[chosen]
    num_classes = len(seen.unique())
    if not 2 <= num_classes < len(seen):
        checks.refuse(
            "labels",
            f"of at least two classes and of fewer than the {len(seen)} images",
            num_classes,
            "Several images of a class are needed; raise `max_images`.",
        )
    return float(silhouette_score(rows.numpy(), seen.numpy(), metric=metric))


def drawn(rows: Tensor, max_images: int | None, seed: int) -> Tensor:
    """All rows, or at most so many, drawn by `seed`, in their order.

    Raises:
        TypeError, ValueError: if a number is of another kind or out of range.
    """
    checks.whole("seed", seed, at_least=0)
    if max_images is None:
        return rows
    checks.whole("max_images", max_images, at_least=4)
    if len(rows) <= max_images:
        return rows
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(rows), generator=generator)[:max_images]
    return rows[chosen.sort().values]
