"""The verdict as tables: how each method stands, each pair, each difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..comparison import Comparison, Gain


class Standing(NamedTuple):
    """How a method stands among all.

    Attributes:
        method: its label.
        rank: its mean rank with its interval; empty if nothing is shared with another method.
        num_results: what the rank is over.
        counts: wins, ties and losses against all other methods; empty likewise.
        gain: over random weights of its architecture, with its interval; empty without them.
        gain_over: the label of these, and on how many results if not on those of the rank.
    """

    method: str
    rank: str
    num_results: int
    counts: str
    gain: str
    gain_over: str


class Pairs(NamedTuple):
    """Every method against every other.

    Attributes:
        methods: of rows and columns.
        rows: of each method, against each: wins, ties and losses; empty on the diagonal.
    """

    methods: list[str]
    rows: list[tuple[str, list[str]]]


class DifferenceLine(NamedTuple):
    """A difference of two methods in a headline result, positive where the first is better."""

    dataset: str
    what: str
    a: str
    b: str
    difference: str
    interval: str
    p: str
    how: str
    significant: bool


def describe_standings(comparison: Comparison) -> list[Standing]:
    """A row for each method, best mean rank first."""
    ranks = {row.method: row for row in comparison.ranks}
    gains = {row.method: row for row in comparison.gains}
    order = [*ranks, *(method for method in comparison.methods if method not in ranks)]
    standings = []
    for method in order:
        rank, gain = ranks.get(method), gains.get(method)
        totals = [0, 0, 0]
        for a, b, *counts in comparison.wins:
            if method in (a, b):
                seen = counts if method == a else counts[::-1]
                totals = [total + count for total, count in zip(totals, seen, strict=True)]
        standings.append(
            Standing(
                method,
                "" if rank is None else f"{rank.rank:.2f}{_ends(rank.low, rank.high, '.2f')}",
                0 if rank is None else rank.num_results,
                _counts(totals) if any(totals) else "",
                "" if gain is None else f"{gain.gain:+.1f}{_ends(gain.low, gain.high, '+.1f')}",
                _over(gain, 0 if rank is None else rank.num_results),
            )
        )
    return standings


def describe_pairs(comparison: Comparison) -> Pairs:
    """Wins, ties and losses of each method against each other."""
    texts = {}
    for a, b, *counts in comparison.wins:
        texts[a, b], texts[b, a] = _counts(counts), _counts(counts[::-1])
    methods = [m for m in comparison.methods if any(m in pair for pair in texts)]
    return Pairs(methods, [(a, [texts.get((a, b), "") for b in methods]) for a in methods])


def describe_differences(comparison: Comparison) -> list[DifferenceLine]:
    """Every difference in a headline result, in the order of the comparison."""
    return [
        DifferenceLine(
            row.dataset,
            f"{row.task} {row.metric}"
            + (f" ({row.unit})" if row.unit else "")
            + (f", {row.variant}" if row.variant else ""),
            row.a,
            row.b,
            f"{row.difference:+.2f}",
            _ends(row.low, row.high, "+.2f").strip(),
            "" if row.p_adjusted is None else f"{row.p_adjusted:.3g}",
            row.how,
            row.significant,
        )
        for row in comparison.differences
        if row.headline
    ]


def _ends(low: float | None, high: float | None, form: str) -> str:
    return "" if low is None or high is None else f" [{low:{form}}, {high:{form}}]"


def _counts(counts: Sequence[int]) -> str:
    return " / ".join(map(str, counts))


def _over(gain: Gain | None, num_results: int) -> str:
    if gain is None or gain.num_results == num_results:
        return "" if gain is None else gain.baseline
    return f"{gain.baseline}, {gain.num_results} result{'s' * (gain.num_results != 1)}"
