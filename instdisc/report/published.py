"""Numbers that papers and their code report, to stand beside ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

_LEAST_RECALLED = 70  # percent; a number that is less sure is no number to be held to


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


def _same_episodes(ours: str | None, theirs: str) -> bool:
    return bool(ours) and "-shot" in theirs and str(ours).startswith(f"{theirs} ")


@cache
def _stored() -> tuple[Published, ...]:
    text = resources.files(__package__).joinpath("published.json").read_text(encoding="utf-8")
    return tuple(Published(**row) for row in json.loads(text))
