"""Published numbers beside those measured: source, tolerance, status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from instdisc.types import Record

from ..pooling import Pooled, pool
from ..published import Published, comparable_rows


class Beside(NamedTuple):
    """A published number, and what was measured on the same task and set.

    Attributes:
        what: task, set and metric.
        method: as the source calls it.
        published: the number, with its unit.
        source: and the table in it.
        certainty: how sure the number is.
        settings: of the source.
        measured: for each network its label and its value with its interval.
        tolerance: within which the two agree.
        status: ``"agrees"``, by how much it differs, or why the two are not compared.
    """

    what: str
    method: str
    published: str
    source: str
    certainty: str
    settings: str
    measured: list[tuple[str, str]]
    tolerance: str
    status: str


def published_beside(records: Iterable[Record]) -> list[Beside]:
    """Every published number of a task and set that has been measured.

    A number is compared with the network of the same name (``"MoCo v1"`` with ``moco_v1``), if the
    settings that both tell are the same. The tolerance is half of the width of the 95 % interval of
    what was measured and half a unit of the last digit that is printed, together.

    Args:
        records: each under the label of its network.
    """
    groups: dict[tuple[str, str, str], dict[str, list[Record]]] = defaultdict(dict)
    for record in records:
        what = record.task, record.dataset, record.metric
        groups[what].setdefault(record.method, []).append(record)
    rows = []
    for what, methods in groups.items():
        pooled = {label: pool(group) for label, group in methods.items()}
        seen: list[Published] = []
        for group in methods.values():
            seen += [row for row in comparable_rows(group[-1]) if row not in seen]
        rows += [_beside(" ".join(what), row, pooled) for row in seen]
    return rows


def _beside(what: str, row: Published, pooled: Mapping[str, Pooled]) -> Beside:
    settings = dict(row.settings)
    tolerance, status = "", "no network of this name here"
    for label, cell in pooled.items():
        if _slug(label) == _slug(row.method):
            other = _other_settings(settings, cell.records[-1])
            allowed = _half_a_digit(row.value)
            if cell.low is not None and cell.high is not None:
                allowed += (cell.high - cell.low) / 2
            difference = cell.value - row.value
            tolerance = f"± {allowed:.2g}"
            if other:
                status = f"not the same settings: {', '.join(other)}"
            elif abs(difference) <= allowed:
                status = "agrees"
            else:
                status = f"{'higher' if difference > 0 else 'lower'} by {abs(difference):.2g}"
    told = ", ".join(f"{name} {value}" for name, value in settings.items())
    measured = [(label, _value(cell, row.unit)) for label, cell in pooled.items()]
    source = ", ".join(filter(None, (row.source, row.table)))
    number = f"{row.value:g} {row.unit}".strip()
    return Beside(
        what, row.method, number, source, row.certainty, told, measured, tolerance, status
    )


def _other_settings(settings: Mapping[str, Any], record: Record) -> list[str]:
    """What both tell and is not the same; epochs are of the pretraining, which no record tells."""
    ours = {**record.settings, "architecture": record.architecture}
    return [
        f"{name} {ours[name]} here, {value} there"
        for name, value in settings.items()
        if name in ours and name != "epochs" and ours[name] not in ("", value)
    ]


def _value(cell: Pooled, unit: str) -> str:
    ends = "" if cell.low is None else f" [{cell.low:.1f}, {cell.high:.1f}]"
    return f"{cell.value:.1f}{ends} {unit}".strip()


def _half_a_digit(value: float) -> float:
    decimals = len(f"{value:g}".partition(".")[2])
    return 0.5 * float(10**-decimals)


def _slug(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
