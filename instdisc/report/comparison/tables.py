"""What a comparison holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..pooling import Pooled, Result


class Difference(NamedTuple):
    """How far two methods lie apart in one result.

    Attributes:
        a: a method, as the table calls it.
        b: another.
        dataset: on what, as in the `Record`.
        task: what was done.
        metric: what was measured.
        unit: of the difference.
        variant: see `Result`.
        difference: in `unit`, positive where `a` is better, whichever way the metric goes.
        low: lower end of its 95 % interval; ``None`` if there is none.
        high: upper end.
        p: two-sided p-value; ``None`` if there is no interval.
        p_adjusted: the same after Holm's correction over its family, see `compare`.
        n: images, episodes or seeds that it is computed from; 0 if unknown.
        how: what the interval is.
        headline: whether the metric is the headline of its task.
        significant: whether the interval excludes 0 and `p_adjusted` is below 0.05.
    """

    a: str
    b: str
    dataset: str
    task: str
    metric: str
    unit: str
    variant: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    n: int
    how: str
    headline: bool
    significant: bool

    @property
    def place(self) -> tuple[str, ...]:
        """Which result it is of: the first five fields of `Result`."""
        return self.task, self.metric, self.dataset, self.unit, self.variant

    @property
    def winner(self) -> str:
        """The method that is significantly better; ``""`` for a tie."""
        return "" if not self.significant else self.a if self.difference > 0 else self.b

    def flipped(self) -> Difference:
        """The same difference seen from `b`."""
        ends = (None if end is None else 0.0 - end for end in (self.high, self.low))
        low, high = ends
        other = self._replace(a=self.b, b=self.a, low=low, high=high)
        return other._replace(difference=0.0 - self.difference)


class MeanRank(NamedTuple):
    """The mean rank of a method, 1 is best.

    Attributes:
        method: as the table calls it.
        rank: mean over tasks and data sets.
        low: lower end of its 95 % interval over data sets; ``None`` below five.
        high: upper end.
        num_results: how many tasks on data sets it is over.
        num_datasets: how many data sets.
    """

    method: str
    rank: float
    low: float | None
    high: float | None
    num_results: int
    num_datasets: int


class Wins(NamedTuple):
    """In how many headline results one method is significantly better than another.

    Attributes:
        a: a method.
        b: another.
        wins: results in which `a` is better.
        ties: results without a significant difference.
        losses: results in which `b` is better.
    """

    a: str
    b: str
    wins: int
    ties: int
    losses: int


class Gain(NamedTuple):
    """What a method gains over random weights of its architecture in the same view.

    Attributes:
        method: as the table calls it.
        baseline: the random weights, likewise.
        gain: mean over its headline results in percent, first within each data set.
        low: lower end of its 95 % interval; ``None`` if there is none.
        high: upper end.
        how: what the interval is.
        num_results: how many results.
        num_datasets: on how many data sets.
        wins: results in which the method is significantly better.
        losses: results in which the random weights are.
    """

    method: str
    baseline: str
    gain: float
    low: float | None
    high: float | None
    how: str
    num_results: int
    num_datasets: int
    wins: int
    losses: int


class Improvement(NamedTuple):
    """How likely one method is better than another on a result drawn at random.

    Attributes:
        a: a method.
        b: another.
        probability: that a run of `a` is better than one of `b`; a tie counts half.
        low: lower end of its 95 % interval over data sets; ``None`` below five.
        high: upper end.
        num_results: how many tasks on data sets it is over.
    """

    a: str
    b: str
    probability: float
    low: float | None
    high: float | None
    num_results: int


class CriticalDifference(NamedTuple):
    """How far mean ranks over data sets must lie apart.

    Attributes:
        methods: best first.
        ranks: of each the mean rank over data sets.
        difference: by which two ranks must differ, at 5 %.
        groups: largest sets of methods of which no two differ.
        statistic: Friedman's.
        p: of the hypothesis that all methods are alike.
        num_datasets: how many data sets.
    """

    methods: list[str]
    ranks: list[float]
    difference: float
    groups: list[list[str]]
    statistic: float
    p: float
    num_datasets: int


@dataclass(frozen=True)
class Comparison:
    """Which method is better, where, and how sure that is; made by `compare`.

    Attributes:
        methods: as the table calls them, in its order; those with a result that is compared.
        results: what is compared: every metric of a task that has a headline.
        headlines: those of `results` that ranks, wins and gains count.
        cells: the records of each method and result, pooled over seeds.
        differences: of every two methods in every result that both have.
        ranks: mean ranks, best first; empty if no two methods share a headline result.
        wins: for every two methods.
        gains: of each method for which random weights of its architecture and view are there.
        best: for each result the best method and all that are not significantly below it.
        improvement: for every two methods that share a headline result.
        critical_difference: from five data sets and three methods on, else ``None``.
    """

    methods: list[str]
    results: list[Result]
    headlines: list[Result]
    cells: Mapping[tuple[str, Result], Pooled]
    differences: list[Difference]
    ranks: list[MeanRank]
    wins: list[Wins]
    gains: list[Gain]
    best: Mapping[Result, frozenset[str]]
    improvement: list[Improvement]
    critical_difference: CriticalDifference | None

    def between(self, a: str, b: str, *, headlines: bool = True) -> list[Difference]:
        """The differences of two methods, positive where `a` is better.

        Args:
            a: a method.
            b: another.
            headlines: of the headline results alone.
        """
        pairs = ((a, b), (b, a))
        return [
            row if row.a == a else row.flipped()
            for row in self.differences
            if (row.a, row.b) in pairs and (row.headline or not headlines)
        ]

    def verdict(self) -> list[str]:
        """The comparison in short sentences; only significant differences are called so."""
        from .sentences import verdict_sentences

        return verdict_sentences(self)
