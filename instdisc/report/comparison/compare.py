"""Which of several methods is better, on what, and how sure that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

from instdisc.checks import checked_call, input_folder
from instdisc.types import Record

from ..material import Material
from ..pooling import Result, check_records, method_labels, pool, split_results
from .differences import all_differences, best_methods
from .gains import gains_over_random
from .headlines import choose_headlines, has_headline
from .improvement import improvements
from .ranks import critical_difference, mean_ranks, rank_table
from .samples import Samples
from .tables import Comparison, Difference, Wins


@checked_call()
def compare(
    records: Iterable[Record] | Material, *, folders: Sequence[str | Path] = ()
) -> Comparison:
    """Compares methods on every result that several of them have.

    Records are put together as in `results_table`: methods are compared on one task, metric, data
    set, test images and settings alone. Each difference has a 95 % interval:

    - of one run each, a paired bootstrap over the test images (or episodes), if the predictions of
      both were kept for the same images; what makes an image hard for both cancels;
    - of several seeds, a t interval, paired by seed where both have the same seeds;
    - otherwise the interval that the intervals of both give, as if they were independent; ``how``
      of the difference says why.

    P-values are corrected after Holm for all pairs of methods in all headline results at once;
    the other metrics of the same tasks are a family of their own. A difference is significant if
    its interval excludes 0 and the corrected p-value is below 0.05; all others are ties.

    Ranks, wins, gains and the probability of improvement count one headline metric for each task
    (see `choose_headlines`). Their intervals are over data sets, from five on. Everything is the
    same whenever it is computed again.

    Args:
        records: of one or more results files, or a `Material`, which has its folders.
        folders: where the results files lie, for ``predictions/JOB.npz``; without them nothing
            can be paired over images.

    Raises:
        TypeError: if one is no record.
        ValueError: if there are no records, a number is not finite, or a file of predictions is
            damaged.
        FileNotFoundError: if a folder is not there.

    Example:
        >>> records = [
        ...     Record("knn", "pets", "top-1", 71.5, 70.3, 72.7, n=600, method="MoCo"),
        ...     Record("knn", "pets", "top-1", 60.0, 58.6, 61.4, n=600, method="random")]
        >>> comparison = compare(records)
        >>> difference, = comparison.differences
        >>> difference.difference, round(difference.low, 1), difference.significant
        (11.5, 9.7, True)
        >>> [(row.method, row.rank) for row in comparison.ranks]
        [('MoCo', 1.0), ('random', 2.0)]
    """
    paths = [input_folder("folders", folder) for folder in folders]
    if isinstance(records, Material):
        material = Material(check_records(records.records), [*records.folders, *paths])
    else:
        material = Material(check_records(records), paths)
    records = material.records
    labels = method_labels(records)
    groups: dict[tuple[str, Result], list[Record]] = defaultdict(list)
    for record, label, result in zip(records, labels, split_results(records, labels), strict=True):
        groups[label, result].append(record)
    written = list(dict.fromkeys(result for _, result in groups))
    headlines = choose_headlines(written)
    tasks = {(result.task, result.dataset) for result in headlines}
    results = [r for r in written if has_headline(r.task) and (r.task, r.dataset) in tasks]
    # Files of predictions are read once for each task and data set.
    results.sort(key=lambda result: written.index(_first(result, written)))
    cells = {key: pool(group) for key, group in groups.items() if key[1] in results}
    methods = [m for m in dict.fromkeys(labels) if any(key[0] == m for key in cells)]
    differences = all_differences(methods, results, headlines, cells, Samples(material))
    rows: dict[tuple[str, ...], list[Difference]] = defaultdict(list)
    for row in differences:
        rows[row.place].append(row)
    table = rank_table(methods, headlines, cells)
    return Comparison(
        methods=methods,
        results=results,
        headlines=headlines,
        cells=cells,
        differences=differences,
        ranks=mean_ranks(table),
        wins=_wins(methods, differences),
        gains=gains_over_random(methods, headlines, cells, differences),
        best={result: best_methods(result, cells, rows[tuple(result[:5])]) for result in results},
        improvement=improvements(methods, headlines, cells),
        critical_difference=critical_difference(table),
    )


def _wins(methods: Sequence[str], differences: Sequence[Difference]) -> list[Wins]:
    winners: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in differences:
        if row.headline:
            winners[row.a, row.b].append(row.winner)
    return [
        Wins(a, b, *(winners[a, b].count(name) for name in (a, "", b)))
        for a, b in combinations(methods, 2)
        if (a, b) in winners
    ]


def _first(result: Result, results: Sequence[Result]) -> Result:
    return next(r for r in results if (r.task, r.dataset) == (result.task, result.dataset))
