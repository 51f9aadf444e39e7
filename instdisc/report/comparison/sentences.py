"""A comparison in words."""

from __future__ import annotations

from collections.abc import Sequence

from .tables import Comparison, Gain, MeanRank

_MOST = 6  # methods that are told one by one


def verdict_sentences(comparison: Comparison) -> list[str]:
    """Short sentences: ranks, what differs from the best, gains, and how sure all that is.

    Args:
        comparison: see `compare`.
    """
    if len(comparison.methods) < 2:
        return ["There is one method only: nothing can be compared."]
    if not comparison.ranks:
        return ["No two methods have a headline result in common: nothing can be compared."]
    return [
        _order(comparison.ranks),
        *_beside_the_best(comparison),
        *_critical(comparison),
        *_gains(comparison),
        *_limits(comparison),
        _how(comparison),
    ]


def _order(ranks: Sequence[MeanRank]) -> str:
    first = ranks[0]
    over = _count(first.num_results, "result") + " on " + _count(first.num_datasets, "data set")
    leaders = [row.method for row in ranks if row.rank == first.rank]
    verb = "has" if len(leaders) == 1 else "share"
    said = f"{_and(leaders)} {verb} the best mean rank, {_rank(first)}, over {over}"
    others = [f"{row.method} {_rank(row)}" for row in ranks[len(leaders) :]]
    return f"{said}; then {_and(others)}." if others else f"{said}."


def _beside_the_best(comparison: Comparison) -> list[str]:
    """Of each other method how often it differs from the one of the best mean rank."""
    top = comparison.ranks[0].method
    sentences = []
    others = [row.method for row in comparison.ranks[1 : _MOST + 1]]
    for other in others:
        rows = comparison.between(top, other)
        wins, losses = (sum(row.winner == name for row in rows) for name in (top, other))
        of = _count(len(rows), "result")
        if not wins and not losses:
            sentences.append(f"No significant difference between {top} and {other} in {of}.")
        elif wins and losses:
            ties = len(rows) - wins - losses
            sentences.append(
                f"{top} is better than {other} in {wins} of {of}, worse in {losses}, and not "
                f"significantly different in {ties}."
            )
        else:
            better, worse = (top, other) if wins else (other, top)
            ties = len(rows) - wins - losses
            rest = f"; no significant difference in {ties}" if ties else ""
            count = wins or losses
            sentences.append(f"{better} is better than {worse} in {count} of {of}{rest}.")
    left = len(comparison.ranks) - 1 - len(others)
    if left > 0:
        sentences.append(f"The table of wins has {left} more beside {top}.")
    return sentences


def _critical(comparison: Comparison) -> list[str]:
    critical = comparison.critical_difference
    if critical is None:
        return []
    if critical.p >= 0.05:
        return [
            f"Over {critical.num_datasets} data sets the ranks do not differ significantly "
            f"(Friedman, p = {critical.p:.2g})."
        ]
    return [
        f"Over {critical.num_datasets} data sets mean ranks differ significantly from "
        f"{critical.difference:.2f} apart (Friedman, p = {critical.p:.2g}; Nemenyi)."
    ]


def _gains(comparison: Comparison) -> list[str]:
    return [_gain(gain) for gain in sorted(comparison.gains, key=lambda gain: -gain.gain)]


def _gain(gain: Gain) -> str:
    between = "" if gain.low is None else f" [{gain.low:+.1f}, {gain.high:+.1f}]"
    over = _count(gain.num_results, "result")
    worse = f", worse in {gain.losses}" if gain.losses else ""
    return (
        f"{gain.method} gains {gain.gain:+.1f} points{between} over {gain.baseline}, mean of "
        f"{over} on {_count(gain.num_datasets, 'data set')}; significantly better in "
        f"{gain.wins}{worse}."
    )


def _limits(comparison: Comparison) -> list[str]:
    """What the intervals do not cover."""
    sentences = []
    ranked = {row.method for row in comparison.ranks}
    left_out = [method for method in comparison.methods if method not in ranked]
    if left_out:
        sentences.append(f"Without a rank, as results are missing: {_and(left_out)}.")
    headlines = set(comparison.headlines)
    single = [
        method
        for method in comparison.methods
        if all(
            len(pooled.records) == 1
            for (name, result), pooled in comparison.cells.items()
            if name == method and result in headlines
        )
    ]
    if single:
        who = "Every method" if len(single) == len(comparison.methods) else _and(single)
        has = "has" if len(single) in (1, len(comparison.methods)) else "have"
        sentences.append(
            f"{who} {has} one seed: the intervals do not say what pretraining again would change."
        )
    return sentences


def _how(comparison: Comparison) -> str:
    rows = [row for row in comparison.differences if row.headline]
    tested = sum(row.p is not None for row in rows)
    paired = sum(row.how.startswith(("paired", "t, paired")) for row in rows)
    return (
        f"Significant: the 95 % interval excludes 0 and p < 0.05 after Holm's correction for "
        f"{_count(tested, 'comparison')}; {paired} of {len(rows)} are paired over images, "
        "episodes or seeds."
    )


def _rank(row: MeanRank) -> str:
    return f"{row.rank:.1f}" + ("" if row.low is None else f" [{row.low:.1f}, {row.high:.1f}]")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def _and(texts: Sequence[str]) -> str:
    *most, last = texts
    return f"{', '.join(most)} and {last}" if most else last
