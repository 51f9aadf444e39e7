"""What a suite gives back: records, and what has none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from instdisc.checks import checked_call
from instdisc.types import Record


@checked_call()
class Missing(NamedTuple):
    """Something that was asked for and has no result.

    Attributes:
        what: e.g. ``"knn on pets with MoCo"``.
        why: the reason.
    """

    what: str
    why: str


@checked_call()
class Kept(NamedTuple):
    """The arrays that a job of a suite wrote.

    Attributes:
        task: its name in `TASKS`.
        dataset: on what.
        methods: the backbones that it looked at, by their names in the table.
        path: the ``.npz`` file, see `read_predictions`; it is not there if the job kept nothing.
    """

    task: str
    dataset: str
    methods: tuple[str, ...]
    path: Path


class SuiteRecords(list[Record]):
    """The records of a suite, and what has none.

    Attributes:
        missing: what was asked for and has no result.
        kept: the arrays of every job that has a result, in the order of the records.
    """

    @checked_call()
    def __init__(
        self,
        records: Iterable[Record] = (),
        missing: Sequence[Missing] = (),
        kept: Sequence[Kept] = (),
    ) -> None:
        super().__init__(records)
        self.missing = list(missing)
        self.kept = list(kept)
