"""The differences of every two methods in every result, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from ..pooling import Pooled, Result
from .pairs import contrast, holm
from .resampling import Drawn
from .samples import Sample, Samples, align
from .tables import Difference

LEVEL = 0.05


def all_differences(
    methods: Sequence[str],
    results: Sequence[Result],
    headlines: Collection[Result],
    cells: Mapping[tuple[str, Result], Pooled],
    samples: Samples,
) -> list[Difference]:
    """The differences, with Holm's correction over the headline results and over the others.

    Args:
        methods: the first of a pair stands before the second here.
        results: what is compared.
        headlines: which of these make a family of their own.
        cells: by method and result.
        samples: where predictions are looked for.
    """
    rows = [
        row
        for result in results
        for row in _of_result(methods, result, result in headlines, cells, samples)
    ]
    for family in (True, False):
        adjusted = holm(
            {
                place: row.p
                for place, row in enumerate(rows)
                if row.headline == family and row.p is not None
            }
        )
        for place, p in adjusted.items():
            row = rows[place]
            apart = row.low is not None and row.high is not None and (row.low > 0 or row.high < 0)
            rows[place] = row._replace(p_adjusted=p, significant=apart and p < LEVEL)
    return rows


def best_methods(
    result: Result, cells: Mapping[tuple[str, Result], Pooled], rows: Sequence[Difference]
) -> frozenset[str]:
    """The best method of a result and all that are not significantly below it.

    Args:
        result: what is looked at.
        cells: by method and result.
        rows: the differences in this result.
    """
    sign = 1 if result.higher_is_better else -1
    values = {m: sign * pooled.value for (m, place), pooled in cells.items() if place == result}
    top = max(values.values())
    best = {method for method, value in values.items() if value == top}
    # Below the best is who is significantly below any of those that share the first place.
    below = {row.a if row.winner == row.b else row.b for row in rows if row.winner in best}
    return frozenset(values.keys() - (below - best))


def _of_result(
    methods: Sequence[str],
    result: Result,
    headline: bool,
    cells: Mapping[tuple[str, Result], Pooled],
    samples: Samples,
) -> list[Difference]:
    there = {method: cells[method, result] for method in methods if (method, result) in cells}
    kept: dict[str, Sample | str] = {}
    if len(there) > 1:
        kept = {method: samples.read(pooled.records[0]) for method, pooled in there.items()}
        kept = _in_one_order(kept)
    rows = []
    drawn: Drawn = {}
    for a, b in combinations(there, 2):
        low, high, p, n, how = contrast(there[a], there[b], (kept[a], kept[b]), drawn)
        value = there[a].value - there[b].value
        if not result.higher_is_better:
            value = 0.0 - value
            low, high = (None if end is None else 0.0 - end for end in (high, low))
        rows.append(
            Difference(
                a=a,
                b=b,
                dataset=result.dataset,
                task=result.task,
                metric=result.metric,
                unit=result.unit,
                variant=result.variant,
                difference=value,
                low=low,
                high=high,
                p=p,
                p_adjusted=None,
                n=n,
                how=how,
                headline=headline,
                significant=False,
            )
        )
    return rows


def _in_one_order(kept: Mapping[str, Sample | str]) -> dict[str, Sample | str]:
    """Samples in the order of the first, so that the images of each are drawn once."""
    first = next((sample for sample in kept.values() if not isinstance(sample, str)), None)
    ordered: dict[str, Sample | str] = {}
    for method, sample in kept.items():
        ordered[method] = sample
        if first is not None and not isinstance(sample, str):
            aligned = align(first, sample)
            ordered[method] = sample if isinstance(aligned, str) else aligned
    return ordered
