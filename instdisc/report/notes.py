"""What a table must say below itself: what each ``±`` is, and what is not the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from .identity import asked, differing
from .labels import label
from .pooling import Pooled, Result

_NUMBER = re.compile(r"\d+(?:,\d{3})*")
_Cells = Mapping[tuple[str, Result], Pooled]
# It follows from the backbone that a method has, which the table names.
_OF_THE_BACKBONE = {"settings.backbone", "settings.stride", "settings.width", "settings.stages"}


def notes(cells: _Cells, datasets: Mapping[str, str]) -> list[str]:
    """The sentences below a table.

    Args:
        cells: by method and result.
        datasets: what each data set is called in the table.
    """
    kinds = intervals(cells)
    lines = [f"± and [ ]: {kinds}" if kinds else "", _pairs(cells), _agreeing(cells), _lower(cells)]
    lines += [*_protocols(cells, datasets), _superseded(cells)]
    return [line for line in lines if line]


def intervals(cells: _Cells) -> str:
    """Every kind of interval, and of which cells it is if there are several; ``""`` for none."""
    kinds: dict[str, list[tuple[str, Result]]] = defaultdict(list)
    texts: dict[str, list[str]] = defaultdict(list)
    for key, pooled in cells.items():
        if pooled.low is not None:
            kind = _NUMBER.sub("#", pooled.interval)
            kinds[kind].append(key)
            texts[kind].append(pooled.interval)
    if not kinds:
        return ""
    told = []
    for kind, keys in kinds.items():
        others = {key for other, rest in kinds.items() if other != kind for key in rest}
        where = f" ({_where(keys, others)})" if others else ""
        told.append(_range(texts[kind]) + where)
    return f"95 % intervals: {'; '.join(told)}."


def _where(keys: Iterable[tuple[str, Result]], others: set[tuple[str, Result]]) -> str:
    """Metrics, with the methods where others have another kind of interval."""
    elsewhere = {_measured(result) for _, result in others}
    methods: dict[str, list[str]] = defaultdict(list)
    for method, result in keys:
        methods[_measured(result)].append(method)
    return ", ".join(
        measured + (f" of {_and(dict.fromkeys(names))}" if measured in elsewhere else "")
        for measured, names in methods.items()
    )


def _range(texts: list[str]) -> str:
    """Texts that differ in numbers as one: "Wilson, 25 images" to "Wilson, 25 to 600 images"."""
    columns = zip(*(_NUMBER.findall(text) for text in texts), strict=True)
    numbers = []
    for column in columns:
        ordered = sorted(set(column), key=lambda digits: int(digits.replace(",", "")))
        numbers.append(ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}")
    remaining = iter(numbers)
    return _NUMBER.sub(lambda _: next(remaining), texts[0])


def _pairs(cells: _Cells) -> str:
    over = {p.over for p in cells.values() if len(p.records) == 2 and not p.agree}
    return f"Two values: of {_and(sorted(over))}." if over else ""


def _agreeing(cells: _Cells) -> str:
    agreeing = {key: p for key, p in cells.items() if len(p.records) > 1 and p.agree}
    if not agreeing:
        return ""
    over = _and(sorted({pooled.over for pooled in agreeing.values()}))
    where = dict.fromkeys(f"{_measured(result)} of {method}" for method, result in agreeing)
    return f"The same value for each of {over}, as it is: {', '.join(where)}."


def _lower(cells: _Cells) -> str:
    lower = dict.fromkeys(r.metric for _, r in cells if not r.higher_is_better)
    return f"Lower is better: {', '.join(lower)}." if lower else ""


def _protocols(cells: _Cells, datasets: Mapping[str, str]) -> list[str]:
    """Where the methods of one row were not asked for the same."""
    rows: dict[Result, dict[str, Pooled]] = defaultdict(dict)
    for (method, result), pooled in cells.items():
        rows[result][method] = pooled
    places: dict[str, list[str]] = defaultdict(list)
    for result, row in rows.items():
        items = {method: asked(pooled.records[0]) for method, pooled in row.items()}
        names = [name for name in differing(items.values()) if name not in _OF_THE_BACKBONE]
        if names:
            groups: dict[str, list[str]] = defaultdict(list)
            for method, item in items.items():
                groups[label(item, names)].append(method)
            text = "; ".join(f"{_and(methods)}: {told}" for told, methods in groups.items())
            places[text].append(f"{_measured(result)} on {datasets[result.dataset]}")
    return [
        f"Not the same for all methods in {_some(where)}: {text}." for text, where in places.items()
    ]


def _superseded(cells: _Cells) -> str:
    older = [(*key, record) for key, pooled in cells.items() for record in pooled.superseded]
    if not older:
        return ""
    method, result, record = older[0]
    return (
        f"Not shown: {len(older)} earlier result{'s' * (len(older) > 1)} of a seed that has a "
        f"newer one, e.g. {record.value:g} of {method}, {_measured(result)} on {result.dataset}, "
        f"seed {record.seed}{', of ' + record.date if record.date else ''}."
    )


def _measured(result: Result) -> str:
    return f"{result.task} {result.metric}"


def _some(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{texts[0]} and {len(texts) - 1} more"


def _and(texts: Iterable[str]) -> str:
    *most, last = texts
    return f"{', '.join(most)} and {last}" if most else last
