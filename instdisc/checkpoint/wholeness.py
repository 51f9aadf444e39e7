"""Whether all of a checkpoint is there, seen without loading it and without running its code.

torch.save writes a zip file: a record for the pickled objects, another for each tensor's numbers,
uncompressed, each with its CRC-32, and last the directory of all records.
"""

from __future__ import annotations

import io
import mmap
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEADER = struct.Struct("<4s22xHH")  # of a record: signature, ..., length of name and of extra


def read_plain(path: Path) -> dict[str, Any]:
    """What a file of torch.save holds besides tensors, if the file has all its records.

    It reads the directory and the pickled objects alone: milliseconds for a file of any size.
    Objects that are no plain Python values come as stand-ins without content.

    Args:
        path: of the file.

    Returns:
        The dict that was saved.

    Raises:
        ValueError: if it was cut short, cut in the middle, or is no dict that torch saved.
        OSError: if it cannot be read.
    """
    with _Records(path) as records:
        pickled = [name for name in records.places if name.rpartition("/")[2] == "data.pkl"]
        if len(pickled) != 1:
            raise ValueError("torch.save did not write it")
        prefix = pickled[0].rpartition("/")[0]
        reader = _PlainReader(io.BytesIO(records.content(pickled[0])))
        try:
            content = reader.load()
        except Exception as error:  # broken bytes raise anything
            raise ValueError(f"its objects cannot be read ({error})") from error
        missing = [key for key in reader.storages if f"{prefix}/data/{key}" not in records.places]
        if missing:
            raise ValueError(f"{len(missing)} of its tensors are missing")
    if not isinstance(content, dict):
        raise ValueError("it holds no dict")
    return content


def check_numbers(path: Path) -> None:
    """Compares every record of a file of torch.save with its checksum.

    It reads the file once. A file that was saved without checksums
    (`torch.serialization.set_crc32_options`) is let through.

    Args:
        path: of the file, which `read_plain` took.

    Raises:
        ValueError: if a record differs.
        OSError: if it cannot be read.
    """
    with _Records(path) as records:
        sums = {name: record.CRC for name, record in records.entries.items() if record.file_size}
        if not any(sums.values()):
            return
        for name, expected in sums.items():
            if records.crc(name) != expected:
                raise ValueError(f"its record {name!r} is damaged")


class _Records:
    """The records of a zip file, mapped into memory while the context lasts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries: dict[str, zipfile.ZipInfo] = {}
        self.places: dict[str, tuple[int, int]] = {}  # begin and end of the content, by name

    def __enter__(self) -> _Records:
        with self._path.open("rb") as file:
            if file.seek(0, io.SEEK_END) == 0:
                raise ValueError("it is empty")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                with zipfile.ZipFile(file) as archive:
                    self.entries = {entry.filename: entry for entry in archive.infolist()}
                self.places = dict(self._find())
            except (zipfile.BadZipFile, struct.error, OverflowError, NotImplementedError) as error:
                self._bytes.close()
                raise ValueError(f"it was cut short, or is no zip file ({error})") from error
            except ValueError:
                self._bytes.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()

    def content(self, name: str) -> bytes:
        begin, end = self.places[name]
        return self._bytes[begin:end]

    def crc(self, name: str) -> int:
        begin, end = self.places[name]
        with memoryview(self._bytes) as view, view[begin:end] as part:
            return zlib.crc32(part)

    def _find(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Every record where the directory says, one behind the other, from the first byte on."""
        reached = 0
        for entry in sorted(self.entries.values(), key=lambda entry: entry.header_offset):
            begin = entry.header_offset
            if (reached == 0) != (begin == 0) or begin < reached:
                raise ValueError("bytes are missing or too many in the middle")
            signature, name, extra = _HEADER.unpack_from(self._bytes, begin)
            stored = self._bytes[begin + _HEADER.size : begin + _HEADER.size + name]
            if signature != b"PK\x03\x04" or stored != entry.filename.encode():
                raise ValueError("bytes are missing or too many in the middle")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError("torch.save did not write it")
            begin += _HEADER.size + name + extra
            reached = begin + entry.file_size
            if reached > len(self._bytes):
                raise ValueError("it was cut short")
            yield entry.filename, (begin, reached)
        if not reached:
            raise ValueError("it holds nothing")


class _StandIn:
    """Takes the place of any object of a pickle; does nothing."""

    def __new__(cls, *_: object, **__: object) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> _StandIn:
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, entry: object) -> None:
        pass

    def extend(self, entries: object) -> None:
        pass

    def add(self, entry: object) -> None:
        pass


class _PlainReader(pickle.Unpickler):
    """Reads plain values; what would need a class or a function becomes a stand-in."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.storages: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _StandIn

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) > 2 and pid[0] == "storage":
            self.storages.add(str(pid[2]))
        return _StandIn()
