"""Single rows of Parquet files, which are read by groups of rows.

Legend: G groups, F files.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .packages import import_package

KEPT = 4  # groups, in each process


class RowGroups:
    """A column of several Parquet files, row by row.

    The groups of rows that were read last are kept. What is open belongs to a process: another one
    opens the files itself.

    Args:
        files: F of them; their order is kept.
        column: its name.

    Attributes:
        starts: ``(G + 1,)`` int64 number of the first row of each group, and of all rows.
        places: ``(G, 2)`` int64 file and group in it.
    """

    def __init__(self, files: Sequence[Path], column: str) -> None:
        self.files = list(files)
        self.column = column
        counts, places = [0], []
        parquet = import_package("pyarrow.parquet", "ParquetImages")
        for number, file in enumerate(self.files):
            about = parquet.read_metadata(file)
            for group in range(about.num_row_groups):
                counts.append(about.row_group(group).num_rows)
                places.append((number, group))
        self.starts = np.cumsum(counts, dtype=np.int64)
        self.places = np.array(places, dtype=np.int64).reshape(-1, 2)
        self._opened: dict[int, _Opened] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": {}}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, row: int) -> Any:
        """The cell, a ``pyarrow.Scalar``."""
        group = self._group(row)
        return self._here().group(self, group)[row - int(self.starts[group])]

    def place(self, row: int) -> tuple[Path, int]:
        """The file of a row, and which of its rows it is."""
        number = int(self.places[self._group(row), 0])
        first = int(self.starts[np.searchsorted(self.places[:, 0], number)])
        return self.files[number], row - first

    def _group(self, row: int) -> int:
        row = range(len(self))[row]
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def _here(self) -> _Opened:
        # Not one lock for all processes: a thread may hold it while another one forks.
        return self._opened.setdefault(os.getpid(), _Opened())


class _Opened:
    """Open files and the groups that were read last, of one process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.files: dict[int, Any] = {}
        self.groups: OrderedDict[int, Any] = OrderedDict()

    def group(self, rows: RowGroups, group: int) -> Any:
        """The column of a group, a ``pyarrow.ChunkedArray``."""
        with self.lock:
            if group not in self.groups:
                number, inner = rows.places[group].tolist()
                if number not in self.files:
                    parquet = import_package("pyarrow.parquet", "ParquetImages")
                    self.files[number] = parquet.ParquetFile(rows.files[number], memory_map=True)
                table = self.files[number].read_row_group(
                    inner, columns=[rows.column], use_threads=False
                )
                self.groups[group] = table.column(0)
                if len(self.groups) > KEPT:
                    self.groups.popitem(last=False)
            self.groups.move_to_end(group)
            return self.groups[group]
