"""Numbers that papers and their code report, to stand beside ours."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from instdisc.checks import checked_call, instance
from instdisc.types import Record

# What tables call a detection set that is opened by its name: how its test set is called, and what
# is trained on.
_OPENED: dict[tuple[str, str], tuple[str, dict[str, str]]] = {
    ("detection", "voc07"): ("voc07_test", {"train": "voc07_trainval"}),
    ("detection", "voc0712"): ("voc07_test", {"train": "voc0712_trainval"}),
    ("detection", "coco"): ("coco_val2017", {}),
}
# Images of the official test sets: a folder of one's own may have the same name.
_NUM_IMAGES = {
    "imagenet": 50000,
    "voc07_test": 4952,
    "coco_val2017": 5000,
    "cityscapes": 500,
    "voc2012_segmentation": 1449,
}
_LEAST_RECALLED = 70  # percent; a number that is less sure is no number to be held to


@checked_call()
class Published(NamedTuple):
    """A number that somebody else measured.

    Attributes:
        source: the paper, or the code, that gives it.
        table: where in it; empty if that is not known.
        method: how the backbone was pretrained.
        task: of ours that it belongs to, as in a `Record`; ``"unknown"`` if that is not said.
        dataset: that was tested on, as in a `Record`.
        metric: likewise.
        value: the number.
        unit: of it.
        settings: what else is known of how it was made.
        certainty: ``"source"``: read there. ``"source, second-hand"``: read in a review of it.
            ``"web"``: extracted by some page. ``"recalled 90%"``: not looked up, and how sure.
    """

    source: str
    table: str
    method: str
    task: str
    dataset: str
    metric: str
    value: float
    unit: str
    settings: Mapping[str, Any]
    certainty: str

    @property
    def is_sure(self) -> bool:
        """Whether a result of ours may be held to it."""
        recalled = re.fullmatch(r"recalled (\d+)%", self.certainty)
        if recalled:
            return int(recalled[1]) >= _LEAST_RECALLED
        return self.certainty.startswith("source")


@checked_call()
def published_values(
    task: str | None = None, dataset: str | None = None, metric: str | None = None
) -> list[Published]:
    """The numbers that others report, of one task, set and metric or of all.

    Args:
        task: as in a `Record`; ``None`` for all.
        dataset: as in a `Record`; ``None`` for all.
        metric: as in a `Record`; ``None`` for all. ``"5-way 1-shot"`` is also that of
            ``"5-way 1-shot logistic"``: others use a classifier of their own.

    Returns:
        In the order in which they are stored; for a task of your own there are none.

    Example:
        >>> rows = published_values("detection", "voc07_test", "VOC07 AP")
        >>> [(row.method, row.value, row.certainty) for row in rows[:2]]
        [('MoCo v1', 46.6, 'source'), ('supervised', 42.4, 'source')]
    """
    return [
        row
        for row in _stored()
        if task in (None, row.task)
        and dataset in (None, row.dataset)
        and (metric in (None, row.metric) or _same_episodes(metric, row.metric))
    ]


@checked_call()
def published_lines(records: Iterable[Record]) -> list[str]:
    """What others report where these records have a number: same task, test set and metric.

    Only sure numbers are listed (`Published.is_sure`), and none on a set that has another number of
    images than theirs. Architecture, schedule and training set may differ: the lines name theirs.

    Args:
        records: ours, e.g. of a table.

    Returns:
        A line for each task, set and metric and each source; empty if there is nothing.

    Example:
        >>> ours = Record("segmentation", "cityscapes", "mIoU", 71.0, n=500)
        >>> published_lines([ours])[0].partition("; ")[2]
        'head fcn, steps 90000, architecture resnet50): supervised 74.6, MoCo v1 75.3'
    """
    lines = []
    for record in records:
        instance("records", record, Record, "records")
        sources: dict[tuple[str, str], list[Published]] = defaultdict(list)
        for row in comparable_rows(record):
            sources[row.source, row.table].append(row)
        for (source, table), rows in sources.items():
            told = [{k: v for k, v in row.settings.items() if k != "note"} for row in rows]
            common = {k: v for k, v in told[0].items() if all((k, v) in t.items() for t in told)}
            place = ", ".join(part for part in (source, table) if part)
            head = "; ".join(part for part in (place, _words(common)) if part)
            values = []
            for row, settings in zip(rows, told, strict=True):
                details = _words({k: v for k, v in settings.items() if k not in common})
                values.append(f"{row.method} {row.value}" + (f" ({details})" if details else ""))
            what = ", ".join((record.task, record.dataset, record.metric))
            lines.append(f"published, not ours: {what} ({head}): {', '.join(values)}")
    return list(dict.fromkeys(lines))


def comparable_rows(record: Record) -> list[Published]:
    """What is sure of what others report for the task, test set, metric and unit of a record.

    Args:
        record: ours; one of another number of images than the official test set has no rows.
    """
    counted = 0 if record.task == "few_shot" else record.n
    if "official_images" in record.settings or counted not in (0, official_images(record)):
        return []
    dataset, required = _opened(record)
    return [
        row
        for row in published_values(record.task, dataset, record.metric)
        if row.is_sure and row.unit == record.unit and required.items() <= row.settings.items()
    ]


def official_images(record: Record) -> int:
    """How many images the official test set of a record has; 0 if that is not stored.

    Args:
        record: ours. Of few-shot records `n` are episodes, whatever the set. The suite notes it in
            the settings if the set at hand has another number.
    """
    if isinstance(noted := record.settings.get("official_images"), int):
        return noted
    return 0 if record.task == "few_shot" else _NUM_IMAGES.get(_opened(record)[0], 0)


def _opened(record: Record) -> tuple[str, dict[str, str]]:
    return _OPENED.get((record.task, record.dataset), (record.dataset, {}))


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _same_episodes(ours: str | None, theirs: str) -> bool:
    return bool(ours) and "-shot" in theirs and str(ours).startswith(f"{theirs} ")


@cache
def _stored() -> tuple[Published, ...]:
    text = resources.files(__package__).joinpath("published.json").read_text(encoding="utf-8")
    return tuple(Published(**row) for row in json.loads(text))
