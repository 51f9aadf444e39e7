"""What a stage knows: how well a linear probe of its features tells each factor of an image.

Legend: N images to fit, M images to test, S stages, F factors, D width, K columns of a factor,
C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.metrics import Interval, wilson_interval
from instdisc.transfer import Features

from ..inputs import feature_rows
from .pairing import Factors, PairedFactor, pair_factors
from .ridge import RidgePath
from .scores import r2_intervals, r2_scores

PENALTIES = tuple(10 ** (power / 2) for power in range(-12, 5))  # 1e-6 to 100, per image


@checked_call()
class FactorProbes(NamedTuple):
    """A table of factors and stages.

    Attributes:
        factors: F names, as they were given, without those that are the same for all images.
        metrics: F times ``"R2"`` or ``"accuracy"``.
        scores: ``(F, S)`` float64: R2, 1 at best, below 0 where the mean would do better; or the
            share of the images whose class is predicted.
        chance: ``(F,)`` what features without information give: 0, or the share of the most
            frequent class.
        intervals: ``(F, S, 2)`` ends of the 95 % interval over test images: of R2 by bootstrap, of
            an accuracy Wilson's.
        penalties: ``(F, S)`` that was chosen, per image.
        counts: ``(F,)`` int64 images that were tested on.
    """

    factors: list[str]
    metrics: list[str]
    scores: np.ndarray
    chance: np.ndarray
    intervals: np.ndarray
    penalties: np.ndarray
    counts: np.ndarray


@checked_call()
def factor_probes(
    train: Sequence[Tensor | Features],
    train_factors: Factors,
    test: Sequence[Tensor | Features],
    test_factors: Factors,
    *,
    penalties: Sequence[float] = PENALTIES,
    seed: int = 0,
) -> FactorProbes:
    """Linear probes of each stage for each factor.

    The columns of the features are scaled to unit variance on `train`. A factor of numbers is
    predicted by ridge regression; its score is R2 on `test`, the mean over its columns:

        R2 = 1 - sum (y - y^)^2 / sum (y - mean y)^2

    A factor of classes is predicted by the largest of C regressions to -1 and 1; its score is the
    accuracy. The penalty, of each factor and stage, is the one with the least error on left-out
    images of `train`, each left out by itself; it is relative to the number of images: ``penalty
    * N * |w|^2`` against the sum of squared errors.

    Args:
        train: features ``(N, D)`` of S stages, shallow to deep.
        train_factors: by name ``(N,)`` or ``(N, K)`` float, NaN where an image has none; or
            ``(N,)`` int64 classes, -1 where it has none.
        test: features ``(M, D)`` of the same stages.
        test_factors: likewise.
        penalties: to choose from.
        seed: of the bootstrap.

    Raises:
        TypeError: if a tensor is of another kind.
        ValueError: if the features or factors do not fit each other, are fewer than 4 or the same
            for all images, or no factor is left that differs between images.

    Source:
        The factors are the library's own measure of low, middle and high level (Islam et al. 2021,
        Zhao et al. 2021 argue by it); probes: Alain and Bengio (2016). Differs from it: closed
        form instead of gradient steps.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> features = torch.randn(80, 5, generator=generator)
        >>> factors = {"sum": features.sum(1), "sign": (features[:, 0] > 0).long()}
        >>> half = [{k: v[s] for k, v in factors.items()} for s in (slice(40), slice(40, 80))]
        >>> probes = factor_probes([features[:40]], half[0], [features[40:]], half[1])
        >>> probes.factors, probes.metrics, probes.scores.round(2)[0]
        (['sum', 'sign'], ['R2', 'accuracy'], array([1.]))
    """
    stages = _stages(train, test)
    checks.instance("penalties", penalties, (list, tuple), "a list of numbers")
    if not penalties:
        checks.refuse("penalties", "a list of at least one number", penalties)
    for penalty in penalties:
        checks.positive("penalties", penalty)
    pairs = pair_factors(train_factors, len(stages[0][0]), test_factors, len(stages[0][1]))
    shape = (len(pairs), len(stages))
    scores, chosen, ends = np.empty(shape), np.empty(shape), np.empty((*shape, 2))
    # Factors of the same images share a decomposition and the resamples.
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for place, pair in enumerate(pairs):
        same = pair.of_train.numpy().tobytes(), pair.of_test.numpy().tobytes()
        groups.setdefault(same, []).append(place)
    for number, (rows, asked) in enumerate(stages):
        for places in groups.values():
            group = [pairs[place] for place in places]
            fits = _fit(rows[group[0].of_train], asked[group[0].of_test], group, penalties)
            told = _score([fit.predicted for fit in fits], group, seed)
            for place, fit, (score, interval) in zip(places, fits, told, strict=True):
                chosen[place, number] = fit.penalty
                scores[place, number], ends[place, number] = score, interval
    return FactorProbes(
        [pair.name for pair in pairs],
        ["accuracy" if pair.is_class else "R2" for pair in pairs],
        scores,
        np.array([pair.chance for pair in pairs]),
        ends,
        chosen,
        np.array([len(pair.truth) for pair in pairs]),
    )


class _Fit(NamedTuple):
    predicted: Tensor  # (M', K)
    penalty: float


def _fit(
    rows: Tensor, asked: Tensor, pairs: Sequence[PairedFactor], penalties: Sequence[float]
) -> list[_Fit]:
    """Regressions to factors of the same images."""
    path = RidgePath(rows, torch.cat([pair.targets for pair in pairs], 1))
    errors = path.left_out_errors([len(rows) * penalty for penalty in penalties])  # (L, T)
    fits: list[_Fit] = []
    predicted: dict[float, Tensor] = {}
    start = 0
    for pair in pairs:
        columns = slice(start, start := start + pair.targets.shape[1])
        # In shares of each column's variance, as R2 has it.
        shares = errors[:, columns] / pair.targets.var(0, correction=0)
        penalty = float(penalties[int(shares.mean(1).argmin())])
        if penalty not in predicted:
            predicted[penalty] = path.predict(asked, len(rows) * penalty)  # (M', T)
        fits.append(_Fit(predicted[penalty][:, columns], penalty))
    return fits


def _score(
    predicted: Sequence[Tensor], pairs: Sequence[PairedFactor], seed: int
) -> list[tuple[float, Interval]]:
    """Score and interval of factors of the same images."""
    numbers = [place for place, pair in enumerate(pairs) if not pair.is_class]
    scored: dict[int, tuple[float, Interval]] = {}
    if numbers:
        truth = torch.cat([pairs[place].truth for place in numbers], 1)
        errors = (torch.cat([predicted[place] for place in numbers], 1) - truth).square()
        widths = [pairs[place].truth.shape[1] for place in numbers]
        ends = list(accumulate(widths))
        columns = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
        values = r2_scores(errors, truth, columns)
        intervals = r2_intervals(errors, truth, columns, seed=seed)
        scored.update(zip(numbers, zip(values, intervals, strict=True), strict=True))
    for place in set(range(len(pairs))) - set(numbers):
        hits = predicted[place].argmax(1) == pairs[place].truth
        interval = wilson_interval(int(hits.sum()), len(hits))
        scored[place] = float(hits.double().mean()), interval
    return [scored[place] for place in range(len(pairs))]


def _stages(
    train: Sequence[Tensor | Features], test: Sequence[Tensor | Features]
) -> list[tuple[Tensor, Tensor]]:
    """The features of each stage, scaled by `train`."""
    for name, stages in (("train", train), ("test", test)):
        # `Features` is a tuple, too: one stage without a list around it.
        checks.instance(name, stages, (list, tuple), "a list of features, one per stage")
        if isinstance(stages, Features) or not stages:
            checks.refuse(name, "a list of features, one per stage", type(stages).__name__)
    if len(train) != len(test):
        checks.refuse("test", f"of the same {len(train)} stages as `train`", len(test))
    scaled = []
    for number, pair in enumerate(zip(train, test, strict=True)):
        rows, asked = (
            feature_rows(f"{name}[{number}]", side)
            for name, side in zip(("train", "test"), pair, strict=True)
        )
        checks.shape(f"test[{number}]", asked, ("M", rows.shape[1]))
        mean, std = rows.mean(0), rows.std(0, correction=0)
        # A column that is constant but for rounding tells nothing.
        live = std > 1e-9 * rows.abs().amax(0).clamp(min=1e-30)
        scaled.append(tuple((side - mean)[:, live] / std[live] for side in (rows, asked)))
    for name, side in (("train", 0), ("test", 1)):
        counts = {len(pair[side]) for pair in scaled}
        if len(counts) > 1:
            checks.refuse(name, "of the same images in every stage", sorted(counts))
    return scaled  # type: ignore[return-value]  # pairs
