"""Arrays in one file, which all processes of a machine share instead of having them.

Legend: N rows.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from instdisc.writing import write_atomically

_MAGIC = b"instdisc"
_TAIL = 24  # bytes: length and checksum of what is said of the arrays, and the magic


def write_mapped(
    file: Path,
    about: Mapping[str, Any],
    count: int,
    dtypes: Mapping[str, str],
    parts: Iterable[Sequence[np.ndarray]],
) -> None:
    """Writes arrays of one length, whole or not at all, without having all of them in memory.

    Args:
        file: where.
        about: JSON values that are said of them.
        count: N.
        dtypes: of each array by its name, the widest first.
        parts: some rows of each array, part after part.

    Raises:
        OSError: if it cannot be written.
    """

    def write(path: Path) -> None:
        starts, end = [], 0
        for dtype in dtypes.values():
            starts.append(end)
            end += count * np.dtype(dtype).itemsize
        sums, places = [0] * len(starts), list(starts)
        with path.open("wb") as opened:
            for part in parts:
                for column, (rows, dtype) in enumerate(zip(part, dtypes.values(), strict=True)):
                    content = np.ascontiguousarray(rows, dtype).tobytes()
                    opened.seek(places[column])
                    opened.write(content)
                    places[column] += len(content)
                    sums[column] = zlib.crc32(content, sums[column])
            assert places == [*starts[1:], end], "the parts have another number of rows"
            said = {**about, "count": count, "columns": dict(dtypes), "sums": sums}
            text = json.dumps(said).encode()
            opened.seek(end)
            opened.write(text)
            opened.write(len(text).to_bytes(8, "little") + zlib.crc32(text).to_bytes(8, "little"))
            opened.write(_MAGIC)

    write_atomically(file, write)


def open_mapped(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What is said of the arrays in a file, and the arrays, mapped into memory.

    Their pages are read when they are needed. A process that writes into them has a page of its
    own, and the file stays as it is.

    Raises:
        ValueError: if it is no such file, or not all of it is there.
        OSError: if it cannot be read.
    """
    with file.open("rb") as opened:
        length = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, length - _TAIL))
        tail = opened.read()
        size = int.from_bytes(tail[:8], "little")
        if len(tail) < _TAIL or tail[16:] != _MAGIC or size > length - _TAIL:
            raise ValueError("it is no index")
        opened.seek(length - _TAIL - size)
        text = opened.read(size)
    if zlib.crc32(text).to_bytes(8, "little") != tail[8:16]:
        raise ValueError("it is damaged")
    about = json.loads(text)
    columns, place = {}, 0
    for name, dtype in about["columns"].items():
        column = np.memmap(file, dtype, "c", place, (about["count"],))
        place += column.nbytes
        columns[name] = np.asarray(column)  # whose rows are read faster than those of a memmap
    if place != length - _TAIL - size:
        raise ValueError("it is damaged")
    return about, columns
