"""How far classes lie apart, and how wide each is, by cosine distance.

Legend: N images, D width, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import Features

from ..inputs import Words
from .units import ClassUnits, class_units

_ROUNDING = 1e-12


@checked_call()
class ClassSeparation(NamedTuple):
    """Class separation and what it is made of.

    Attributes:
        value: R2, 0 where classes do not differ, 1 where each is one point.
        within: mean cosine distance within a class.
        total: mean cosine distance between images of any two classes.
        class_within: ``(C,)`` float64, `within` of each class that occurs, in order of the labels.
        error: standard error of `value` over images.
    """

    value: float
    within: float
    total: float
    class_within: Tensor
    error: float


@checked_call()
class ClassSpread(NamedTuple):
    """How wide classes are.

    Attributes:
        value: mean over classes.
        class_spread: ``(C,)`` float64, of each class that occurs, in order of the labels.
        error: standard error of `value` over images.
    """

    value: float
    class_spread: Tensor
    error: float


@checked_call()
def class_separation(features: Tensor | Features, labels: Tensor | None = None) -> ClassSeparation:
    """Class separation: the share of the cosine distance between images that their class explains.

        R2 = 1 - d_within / d_total
        d_within = 1 - mean_k ||m_k||^2,  d_total = 1 - ||mean_k m_k||^2

    with the mean unit vector m_k of class k. These are the means over all pairs of images of a
    class, an image with itself among them, and over all pairs of classes, a class with itself
    among them, each class counting alike: no pair is ever formed.

    Args:
        features: ``(N, D)`` float, or `Features`.
        labels: ``(N,)`` int64; images of unknown class (-1) are left out. ``None``: those of
            `Features`.

    Raises:
        TypeError, ValueError: see `feature_rows`, `class_rows`; if a row is zero.

    Source:
        Kornblith et al., "Why Do Better Loss Functions Lead to Less Transferable Features?"
        (2021), section 4: losses that separate the classes of the pretraining more make worse
        fixed features elsewhere. The standard error is ours, from how much each image moves the
        number (infinitesimal jackknife); pairs of an image with itself raise the number by about
        d_within / n of a class of n images.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[1.0, 0.1], [1, -0.1], [0.1, 1], [-0.1, 1]])
        >>> round(class_separation(rows, torch.tensor([0, 0, 1, 1])).value, 3)
        0.98
    """
    return separation_of(class_units(features, labels))


@checked_call()
def intra_class_spread(features: Tensor | Features, labels: Tensor | None = None) -> ClassSpread:
    """Mean cosine distance of an image from the mean direction of its class.

    Of a class with mean unit vector m it is ``1 - ||m||``; the classes are averaged.

    Args:
        features: ``(N, D)`` float, or `Features`.
        labels: see `class_separation`.

    Raises:
        TypeError, ValueError: see `class_separation`; if the unit vectors of a class cancel out.

    Source:
        The intra-category variation of Zhao et al. (2021), measured; ours.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[1.0, 0.0], [0, 1], [0, 1], [1, 1]])
        >>> intra_class_spread(rows, torch.tensor([0, 0, 1, 1])).class_spread
        tensor([0.2929, 0.0761], dtype=torch.float64)
    """
    return spread_of(class_units(features, labels))


def separation_of(classes: ClassUnits) -> ClassSeparation:
    """Class separation of unit vectors.

    Raises:
        ValueError: if all point in one direction.
    """
    compact = (classes.means**2).sum(1)  # (C,) mean cosine within each class
    mean = classes.means.mean(0)
    within, total = 1 - compact.mean(), 1 - mean @ mean
    if float(total) <= _ROUNDING:
        checks.refuse(
            "features", "in more than one direction", _rounded(total), "They have collapsed."
        )
    # How an image moves the two distances, times its class's count and the number of classes.
    cosines = (classes.units * classes.means[classes.classes]).sum(1)
    moves_within = -2 * (cosines - compact[classes.classes])
    moves_total = -2 * (classes.units @ mean - (classes.means @ mean)[classes.classes])
    moves = -(moves_within * total - within * moves_total) / total**2
    return ClassSeparation(
        float(1 - within / total),
        float(within),
        float(total),
        (1 - compact).clamp(min=0),
        _error(moves, classes),
    )


def spread_of(classes: ClassUnits) -> ClassSpread:
    """Spread of the classes of unit vectors.

    Raises:
        ValueError: if those of a class cancel out: it has no direction.
    """
    lengths = classes.means.norm(dim=1)
    if bool((lengths <= _ROUNDING).any()):
        checks.refuse(
            "features",
            "with a mean direction in each class",
            Words(f"unit vectors that cancel out in class {int(lengths.argmin())}"),
        )
    directions = classes.means / lengths[:, None]
    cosines = (classes.units * directions[classes.classes]).sum(1)
    moves = -(cosines - lengths[classes.classes])
    spread = (1 - lengths).clamp(min=0)
    return ClassSpread(float(spread.mean()), spread, _error(moves, classes))


def _error(moves: Tensor, classes: ClassUnits) -> float:
    """Standard error of a mean over classes, from how each image moves its class's number."""
    shares = 1 / (classes.counts[classes.classes] * len(classes.counts))
    return float(((moves * shares) ** 2).sum().sqrt())


def _rounded(value: Tensor) -> float:
    return round(float(value), 12)
