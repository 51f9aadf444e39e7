"""What a report is made from: records, and the arrays and pictures that lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from instdisc.checks import checked_call, input_file
from instdisc.predictions import read_predictions
from instdisc.records import read_records
from instdisc.types import Record

from .order import sort_records


class Material(NamedTuple):
    """Records of one or more results files, and the folders in which the files lie.

    Attributes:
        records: of all files in their order, of each in that of `sort_records`.
        folders: of the files; ``predictions/JOB.npz`` and ``figures/`` are looked for there.
    """

    records: list[Record]
    folders: list[Path]

    def arrays(self, record: Record, part: str = "") -> dict[str, np.ndarray] | None:
        """What the run of a record predicted; ``None`` if nothing was kept.

        Args:
            record: one of `records`.
            part: of a run that keeps several files, ``JOB_PART.npz``.

        Raises:
            ValueError: if the file is damaged.
        """
        if not record.job:
            return None
        name = f"{record.job}_{part}.npz" if part else f"{record.job}.npz"
        files = (folder / "predictions" / name for folder in self.folders)
        path = next((file for file in files if file.is_file()), None)
        return None if path is None else read_predictions(path)

    def class_names(self, record: Record) -> list[str]:
        """The names of the classes of the test set, if the suite kept them; else none.

        Args:
            record: one of `records`.

        Raises:
            ValueError: if the file is damaged.
        """
        digest = test_digest(record)
        files = (folder / "pictures" / f"{digest}.npz" for folder in self.folders if digest)
        path = next((file for file in files if file.is_file()), None)
        if path is None:
            return []
        return [str(name) for name in read_predictions(path).get("classes", [])]

    def pictures(self) -> Iterator[Path]:
        """The pictures that tasks and analyses saved beside the results, sorted by name."""
        for folder in self.folders:
            yield from sorted((folder / "figures").rglob("*.png"))


@checked_call(filled=["results"])
def read_material(results: Sequence[str | Path]) -> Material:
    """Reads results files.

    Args:
        results: ``.jsonl`` files of `run_suite`, `analyse`, or a command.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is no record; names it.
    """
    paths = [input_file("results", path) for path in results]
    records = [record for path in paths for record in sort_records(read_records(path))]
    return Material(records, list(dict.fromkeys(path.parent for path in paths)))


def test_digest(record: Record) -> str:
    """The hash of the images on which a record was measured; ``""`` where it does not tell."""
    data = record.settings.get("data")
    digest = data[-1] if isinstance(data, list | tuple) and data else ""
    # It becomes part of a path.
    return digest if isinstance(digest, str) and re.fullmatch("[0-9a-f]+", digest) else ""
