"""How well low confidence gives away what belongs to no class.

Legend: N images, `...` any further dimensions, for example resamples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.metrics.inputs import check_confidences


@checked_call()
def outlier_aupr(confidences: Tensor, outliers: Tensor) -> Tensor:
    """Area under precision over recall, where low confidence stands for an outlier.

    Average precision with steps: the sum over thresholds of ``1 - confidence`` of the precision
    times the gain in recall; equal confidences are one threshold. Without any skill it is the
    share of outliers.

    Args:
        confidences: ``(..., N)`` float in [0, 1], the largest softmax.
        outliers: ``(..., N)`` bool, whether the image is out of distribution: the positive class.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError: if `outliers` are not bool.
        ValueError: if there is no outlier or no other image, the shapes differ, or a confidence
            lies outside [0, 1].

    Source:
        Hendrycks et al. (2021a), for ImageNet-O.

    Example:
        >>> outlier_aupr(torch.tensor([0.9, 0.3, 0.5]), torch.tensor([False, True, False]))
        tensor(1., dtype=torch.float64)
    """
    ranked = _rank(confidences, outliers)
    # Of a threshold that several images share, the state after all of them counts.
    precision = (ranked.caught / (ranked.caught + ranked.alarms)).gather(-1, ranked.last)
    return (precision * ranked.outliers).sum(-1) / ranked.caught[..., -1]


@checked_call()
def outlier_auroc(confidences: Tensor, outliers: Tensor) -> Tensor:
    """The chance that an outlier is less confident than another image; ties count one half.

    Args:
        confidences: see `outlier_aupr`.
        outliers: the positive class.

    Returns:
        ``(...)`` float64 in [0, 1]; 0.5 without any skill.

    Raises:
        TypeError, ValueError: see `outlier_aupr`.

    Example:
        >>> outlier_auroc(torch.tensor([0.9, 0.3, 0.3]), torch.tensor([False, True, False]))
        tensor(0.7500, dtype=torch.float64)
    """
    ranked = _rank(confidences, outliers)
    total = ranked.alarms[..., -1:]
    # Other images that are more confident than all of this confidence, and those that equal it.
    more = total - ranked.alarms.gather(-1, ranked.last)
    before = ranked.alarms - (1 - ranked.outliers)
    equal = total - more - before.gather(-1, ranked.first)
    pairs = ranked.outliers * (more + equal / 2)
    return pairs.sum(-1) / (ranked.caught[..., -1] * total[..., 0])


class _Ranked(NamedTuple):
    """Images by rising confidence, each ``(..., N)``.

    Attributes:
        outliers: float64, 1 for an outlier.
        caught: outliers up to here.
        alarms: other images up to here.
        first: position of the first of equal confidence.
        last: of the last.
    """

    outliers: Tensor
    caught: Tensor
    alarms: Tensor
    first: Tensor
    last: Tensor


def _rank(confidences: Tensor, outliers: Tensor) -> _Ranked:
    checks.dtype("outliers", outliers, torch.bool)
    check_confidences(confidences, outliers, "outliers")
    counts = outliers.sum(-1)
    if bool(((counts == 0) | (counts == outliers.shape[-1])).any()):
        checks.refuse("outliers", "some images and not all", outliers)
    ordered, order = confidences.sort(dim=-1)
    positive = outliers.double().gather(-1, order)
    count = ordered.shape[-1]
    positions = torch.arange(count, device=ordered.device).expand(ordered.shape)
    differs = ordered[..., 1:] != ordered[..., :-1]
    edge = torch.ones_like(outliers[..., :1])
    first = torch.where(torch.cat([edge, differs], -1), positions, 0).cummax(-1).values
    ends = torch.where(torch.cat([differs, edge], -1), positions, count - 1)
    last = ends.flip(-1).cummin(-1).values.flip(-1)
    return _Ranked(positive, positive.cumsum(-1), (1 - positive).cumsum(-1), first, last)
