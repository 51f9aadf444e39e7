"""Which records stand in one cell of a table: those of one measurement, over seeds alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from instdisc import checks
from instdisc.metrics import t_interval
from instdisc.types import Record

from .identity import DRAWN, asked, canonical, differing, drawn
from .labels import labels, shortest_names, unlike

# These say what was measured: records that differ in them never share a row.
_MEASURED = ("n", "settings.labels_digest", "better")


class Result(NamedTuple):
    """What is measured: a row of a table, or a column.

    Attributes:
        task: what was done, as in its `Record`.
        metric: what the value is.
        dataset: its name in the record.
        unit: of the value.
        variant: what sets it apart from others of the same task and set, e.g. ``"224 px"``.
        higher_is_better: which way is better.
    """

    task: str
    metric: str
    dataset: str
    unit: str
    variant: str
    higher_is_better: bool


class Pooled(NamedTuple):
    """The records of one method and one result, which differ in the seed alone.

    Attributes:
        records: one for each seed, in the order of the seeds.
        value: their mean.
        low: lower end of its 95 % interval; ``None`` if there is none, as of two seeds.
        high: upper end.
        interval: what the interval is.
        superseded: earlier records of the same seed with another value, which do not count.
    """

    records: list[Record]
    value: float
    low: float | None
    high: float | None
    interval: str
    superseded: list[Record]

    @property
    def values(self) -> list[float]:
        """The value of each seed."""
        return [record.value for record in self.records]

    @property
    def agree(self) -> bool:
        """Whether every seed gives the same value."""
        first = self.records[0].value
        return all(math.isclose(v, first, rel_tol=1e-12, abs_tol=1e-12) for v in self.values)

    @property
    def checkpoints(self) -> int:
        """How many checkpoints it is over."""
        return len({_source(record) for record in self.records})

    @property
    def over(self) -> str:
        """What it is over, e.g. ``"5 seeds"``."""
        what = "checkpoints" if self.checkpoints > 1 else "seeds"
        return f"{len(self.records)} {what}"


def check_records(records: Iterable[Record]) -> list[Record]:
    """The records, if there are any and their numbers are finite.

    Raises:
        TypeError: if one is no record.
        ValueError: if there is none, or a number is not finite; names it.
    """
    records = list(records)
    if not records:
        checks.refuse("records", "a list of at least one record", records)
    for record in records:
        checks.instance("records", record, Record, "a list of records")
        for number in (record.value, record.low, record.high):
            if number is not None:
                checks.finite(
                    f"{record.metric} of {record.task} on {record.dataset}",
                    number,
                    remedy="Leave the record out.",
                )
    return records


def method_labels(records: Sequence[Record]) -> list[str]:
    """What a table calls the method of each record; equal labels may be pooled over seeds.

    The name, with the architecture (and how it was pretrained) where methods share a name and
    differ in it. Several checkpoints of one name are seeds of the pretraining if each has a seed
    of its own; otherwise each gets a column, named by its file.

    Args:
        records: all of the table.
    """
    items = _method_parts(records)
    groups: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        groups[canonical(item, list(item))].append(place)
    for places in groups.values():
        group = [records[place] for place in places]
        if not _are_seeds(group):
            files = _checkpoint_names(group)
            for place in places:
                items[place]["checkpoint"] = files[_source(records[place])]
    namesakes: dict[str, list[dict[str, str]]] = defaultdict(list)
    for item in items:
        namesakes[item["name"]].append(item)
    texts: dict[str, str] = {}
    for name, alike in namesakes.items():
        told = differing(alike)
        for item in alike:
            parts = [item[part] for part in told if part in item]
            texts[canonical(item, list(item))] = name + (f" ({', '.join(parts)})" * bool(parts))
    unique = unlike(texts)
    return [unique[canonical(item, list(item))] for item in items]


def split_results(records: Sequence[Record], methods: Sequence[str]) -> list[Result]:
    """The result of each record.

    Records of one task, metric, set and unit are one result, unless one method has several that
    differ in view, settings or release: then each is a result of its own, which tells what
    differs. So are those that were not measured on the same (`n`, labels).

    Args:
        records: all of the table.
        methods: of each record, see `method_labels`.
    """
    groups: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        groups[record.task, record.metric, record.dataset, record.unit].append(place)
    results: dict[int, Result] = {}
    for group, places in groups.items():
        items = {place: _identity(records[place]) for place in places}
        names = _splitting(
            items, {place: (methods[place], records[place].seed) for place in places}
        )
        variants = {canonical(items[place], names): items[place] for place in places}
        # A view is named with its size: "224 px, resize 256" beside "224 px, resize 257".
        of_view = any(name.startswith("view.") for name in names)
        shown = names
        if of_view and all("view.size" in item for item in items.values()):
            shown = list(dict.fromkeys(["view.size", *names]))
        texts = labels(list(variants.values()), shown)
        text_of = dict(zip(variants, texts, strict=True))
        for place in places:
            item = items[place]
            variant = text_of[canonical(item, names)] if names else ""
            results[place] = Result(*group, variant, item["better"] == "higher is better")
    return [results[place] for place in range(len(records))]


def pool(records: Sequence[Record]) -> Pooled:
    """Records of one method and result as one value: the mean over seeds with its t interval.

    Of several records of one seed the newest counts. A single record, or seeds that all give the
    same value, keeps the interval of the record; two seeds have no interval.

    Args:
        records: of one method and result, in the order in which they were written.
    """
    newest = newest_of_seeds(records)
    kept = list(newest.values())
    older = [r for r in records if not math.isclose(r.value, newest[r.seed].value)]
    pooled = Pooled(kept, fmean(r.value for r in kept), None, None, "", older)
    if pooled.agree:
        first = kept[0]
        if first.low is None or first.high is None:
            return pooled._replace(value=first.value)
        kind = first.interval or "of a kind that the record does not tell"
        return pooled._replace(value=first.value, low=first.low, high=first.high, interval=kind)
    if len(kept) == 2:
        return pooled
    low, high = t_interval(pooled.values)
    return pooled._replace(low=low, high=high, interval=f"t over {pooled.over}")


def newest_of_seeds(records: Iterable[Record]) -> dict[int, Record]:
    """The newest record of each seed, in the order of the seeds.

    Args:
        records: of one method and result, in the order in which they were written.
    """
    newest: dict[int, Record] = {}
    for record in records:
        if record.seed not in newest or record.date >= newest[record.seed].date:
            newest[record.seed] = record
    return {seed: newest[seed] for seed in sorted(newest)}


def _identity(record: Record) -> dict[str, Any]:
    better = "higher" if record.higher_is_better else "lower"
    size = {"n": record.n} if record.n else {}
    return {**asked(record), **drawn(record), **size, "better": f"{better} is better"}


def _splitting(
    items: Mapping[int, dict[str, Any]], owners: Mapping[int, tuple[str, int]]
) -> list[str]:
    """The names in which records of one method differ, or that say what was measured."""
    of_method: dict[str, list[dict[str, Any]]] = defaultdict(list)
    of_seed: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for place, item in items.items():
        of_method[owners[place][0]].append(item)
        of_seed[owners[place]].append(item)
    within = {n for group in of_method.values() for n in differing(group) if n not in DRAWN}
    within |= {n for group in of_seed.values() for n in differing(group)}
    # A record that does not tell its n is no sign of another test set.
    within |= {name for name in _MEASURED if _has_several(items.values(), name)}
    return [name for name in differing(items.values()) if name in within]


def _has_several(items: Iterable[dict[str, Any]], name: str) -> bool:
    return len({canonical(item, [name]) for item in items if name in item}) > 1


def _method_parts(records: Sequence[Record]) -> list[dict[str, str]]:
    """Of each record what tells methods apart; without what the record does not tell."""
    sizes: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in records:
        if record.parameters:
            sizes[record.method, record.architecture].add(record.parameters)
    items = []
    for record in records:
        architecture = record.architecture
        # Options of one architecture show in its size alone.
        if record.parameters and len(sizes[record.method, architecture]) > 1:
            architecture = f"{architecture or 'of'} {record.parameters:,} parameters"
        parts = {"architecture": architecture, "pretraining": record.pretraining}
        name = record.method or record.architecture or "unnamed"
        items.append({"name": name, **{part: text for part, text in parts.items() if text}})
    return items


def _source(record: Record) -> str:
    return record.weights or record.checkpoint


def _are_seeds(records: Sequence[Record]) -> bool:
    """Whether these are of one checkpoint, or each checkpoint has one seed, its own."""
    sources = {_source(record) for record in records}
    pairs = {(record.seed, _source(record)) for record in records}
    seeds = {record.seed for record in records}
    return len(sources) == 1 or len(pairs) == len(seeds) == len(sources)


def _checkpoint_names(records: Sequence[Record]) -> dict[str, str]:
    """For each source of weights the shortest name of its file, with the hash if it needs it."""
    files = {_source(record): record.checkpoint for record in records}
    short = shortest_names(file for file in files.values() if file)
    taken = list(files.values())
    names = {}
    for source, file in files.items():
        digest = f"weights {source[:8]}" if source != file else "weights not given"
        if not file:
            names[source] = digest
        else:
            names[source] = short[file] + (f", {digest}" if taken.count(file) > 1 else "")
    return unlike(names)
