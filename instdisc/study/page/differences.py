"""Paired differences between two methods, as a table."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean

from instdisc.types import Record

from .material import Study
from .tables import plain_table
from .words import NOTHING, label, signed

_Newest = dict[int, Record]


def differences_table(study: Study) -> str:
    """Differences in transfer by pair and set; ``""`` if there are none.

    Args:
        study: with its differences.
    """
    groups: dict[str, dict[str, _Newest]] = defaultdict(lambda: defaultdict(dict))
    for row in study.differences:
        if (row.task, row.metric) == study.transfer:
            groups[row.method][row.dataset][row.seed] = row
    if not groups:
        return ""
    there = {name for sets in groups.values() for name in sets}
    wanted = dict.fromkeys([study.source, *study.sets("transfer"), *sorted(there)])
    names = [name for name in wanted if name in there]
    rows = [
        [_pair(method), *(_cell(sets.get(name, {})) for name in names)]
        for method, sets in groups.items()
    ]
    return plain_table(["pair", *names], rows)


def differences_words(study: Study) -> str:
    """What the table is."""
    task, metric = study.transfer
    return (
        f"Differences in {metric} of {task.replace('_', ' ')}, in points, between networks of "
        "one seed, on the same test images: mean over seeds, and in brackets in how many of them "
        "the 95 % interval of a paired bootstrap over images leaves out 0."
    )


def _pair(method: str) -> str:
    """The names of both, as other tables have them."""
    return " - ".join(map(label, method.split(" - ")))


def _cell(rows: _Newest) -> str:
    if not rows:
        return NOTHING
    clear = sum(
        row.low is not None and row.high is not None and (row.low > 0 or row.high < 0)
        for row in rows.values()
    )
    return f"{signed(fmean(row.value for row in rows.values()), 1)} ({clear} of {len(rows)})"
