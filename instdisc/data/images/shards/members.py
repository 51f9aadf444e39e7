"""The files in a tar, by its headers alone: five times as fast as `tarfile`, and as careful."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

BLOCK = 512  # bytes; headers and contents begin at multiples of it
_WINDOW = 8 * BLOCK  # read at once: a header, a small file and the next header
_CHECKED = 1024  # headers whose checksums are compared together
_PLAIN = b"0\0007"  # types of plain files; 7 is a contiguous one
_NO_CONTENT = b"123456"  # links, devices, folders, pipes
_TELLING = b"LKxg"  # of the files that follow
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = _TELLING
_SPARSE = ord("S")
_MOST_TOLD = 2**20  # bytes of such a header
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")

ReadAt = Callable[[int, int], bytes]  # so many bytes from a place on


class Member(NamedTuple):
    """A plain file in a tar.

    Attributes:
        name: with its folders, parted by ``/``.
        start: the byte of the tar at which it begins, a multiple of 512.
        size: in bytes.
    """

    name: str
    start: int
    size: int


def read_members(path: object, file: int | None = None) -> Iterator[tuple[Member, ReadAt]]:
    """The plain files in a tar in their order, and what reads a few bytes of it.

    The forms of POSIX (ustar, pax) and of GNU. Each header's checksum is compared, each content
    must be there in full, and nothing but zeros may follow the end mark: a tar that was cut off, or
    that another was appended to, is told from a whole one.

    Args:
        path: of the tar; where it is open, what messages call it.
        file: the open file; ``None`` to open the path.

    Raises:
        ValueError: if it is damaged, cut off, compressed, or holds a sparse file; names it.
        FileNotFoundError: if it is not there.
    """
    with ExitStack() as stack:
        if file is None:
            file = os.open(Path(str(path)), os.O_RDONLY | getattr(os, "O_BINARY", 0))
            stack.callback(os.close, file)
        yield from _Scan(file, path)


class _Scan:
    """Goes from header to header."""

    def __init__(self, file: int, path: object) -> None:
        self.file, self.path = file, path
        self.length = os.fstat(file).st_size
        self._start, self._window = 0, b""
        self._headers: list[bytes] = []

    def __iter__(self) -> Iterator[tuple[Member, ReadAt]]:
        place = 0
        more: dict[str, str] = {}  # what is told of the next file
        everywhere: dict[str, str] = {}  # and of all that follow
        while (header := self._header(place)) is not None:
            kind, start = header[156], place + BLOCK
            size = 0 if kind in _NO_CONTENT else self._size(header, place)
            if kind in _TELLING:
                told = self._told(kind, self._content(start, size, place), place)
                if kind == _PAX_GLOBAL:
                    everywhere = {**everywhere, **told}
                else:
                    more = {**more, **told}
            elif kind == _SPARSE:
                raise self._wrong(f"the file at {place:,} is sparse: pack it without --sparse")
            else:
                about = {**everywhere, **more} if everywhere else more
                if kind in _PLAIN:
                    name = about.get("path") or _name(header)
                    if about:
                        size = self._told_size(about, size, place)
                    if kind or not name.endswith("/"):  # else a folder, in tars older than ustar
                        self._check(_CHECKED)
                        self._must_hold(start, size, place)
                        yield Member(name, start, size), self.read
                more = {}
            self._must_hold(start, size, place)
            place = start + -(-size // BLOCK) * BLOCK
        self._check(1)
        self._check_end(place)

    def read(self, place: int, size: int) -> bytes:
        """Bytes of the tar; fewer at its end."""
        row = place - self._start
        if row < 0 or row + size > len(self._window):
            self._window = read_at(self.file, max(size, _WINDOW), place)
            self._start, row = place, 0
        return self._window[row : row + size]

    def _header(self, place: int) -> bytes | None:
        """The next header; ``None`` at the end mark."""
        header = self.read(place, BLOCK)
        if len(header) < BLOCK:
            self._check(1)
            raise self._wrong(self._compressed() or "it ends too early: there is no end mark")
        if not header[0] and header == bytes(BLOCK):
            return None
        self._headers.append(header)
        if not place:
            self._check(1)  # whether it is a tar at all
        return header

    def _compressed(self) -> str:
        head = read_at(self.file, 8, 0)
        if not head.startswith(_COMPRESSED):
            return ""
        return "it is compressed, so that no image in it can be read by itself: unpack it to .tar"

    def _must_hold(self, start: int, size: int, place: int) -> None:
        """Refuses a file whose content is not there in full."""
        if start + size > self.length:
            self._check(1)
            raise self._wrong(
                f"it ends too early: of the file at {place:,}, {start + size - self.length:,} "
                "bytes are missing"
            )

    def _content(self, start: int, size: int, place: int) -> bytes:
        """What one of the headers says that are files themselves."""
        self._check(1)
        self._must_hold(start, size, place)
        if size > _MOST_TOLD:
            raise self._wrong(f"it is damaged: the header at {place:,} claims {size:,} bytes")
        return self.read(start, size)

    def _check(self, least: int) -> None:
        """Compares the checksums of headers, once there are enough of them."""
        if len(self._headers) < least:
            return
        rows = np.frombuffer(b"".join(self._headers), np.uint8).reshape(-1, BLOCK)
        sums = rows.sum(1, dtype=np.int64) - rows[:, 148:156].sum(1, dtype=np.int64) + 8 * 32
        for header, total in zip(self._headers, sums.tolist(), strict=True):
            if _octal(header[148:156]) != total and not _signed(header):
                wrong = "it is damaged or no tar: the checksum of a header is wrong"
                raise self._wrong(self._compressed() or wrong)
        self._headers = []

    def _check_end(self, place: int) -> None:
        """Refuses what follows the end mark: another tar, which most programs pass over."""
        while rest := read_at(self.file, 2**20, place):
            if rest.count(0) != len(rest):
                raise self._wrong(
                    "it goes on after its end mark. Tars that were joined must be separate files"
                )
            place += len(rest)

    def _size(self, header: bytes, place: int) -> int:
        field = header[124:136]
        # The first byte marks a number of 8 GiB and more, as GNU writes it.
        size = int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(field)
        if size < 0:
            self._check(1)
            raise self._wrong(f"it is damaged: the header at {place:,} has no size")
        return size

    def _told(self, kind: int, content: bytes, place: int) -> dict[str, str]:
        """What a header says of the files after it."""
        if kind == _LONG_NAME:
            return {"path": _text(content)}
        if kind == _LONG_LINK:
            return {}
        told = {}
        while content.strip(b"\0"):  # LENGTH KEY=VALUE and a line's end, again and again
            length, _, _ = content.partition(b" ")
            if not length.isdigit() or not 0 < int(length) <= len(content):
                raise self._wrong(f"it is damaged: the pax header at {place:,} is no such")
            key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
            told[_text(key)] = _text(value)
            content = content[int(length) :]
        return told

    def _told_size(self, about: dict[str, str], size: int, place: int) -> int:
        if any(key.startswith("GNU.sparse") for key in about):
            raise self._wrong(f"the file at {place:,} is sparse: pack it without --sparse")
        if not about.get("size", "0").isdigit():
            raise self._wrong(f"it is damaged: the pax header before {place:,} has no size")
        return int(about.get("size", size))

    def _wrong(self, reason: str) -> ValueError:
        return ValueError(f"cannot read the shard {self.path} ({reason}). Make or copy it anew.")


def read_at(file: int, size: int, place: int) -> bytes:
    """So many bytes of an open file from a place on; fewer at its end.

    Does not move the position that processes share after a fork.
    """
    parts = []
    while size and (part := _pread(file, size, place)):
        parts.append(part)
        size, place = size - len(part), place + len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _seek_and_read(file: int, size: int, place: int) -> bytes:
    os.lseek(file, place, os.SEEK_SET)
    return os.read(file, size)


# Windows has none, and neither has it processes that share a position.
_pread: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345]:
        name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    return _text(name)


def _text(content: bytes) -> str:
    return content.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _octal(field: bytes) -> int:
    """A number of a header; -1 if it is none."""
    try:
        return int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError:
        return -1


def _signed(header: bytes) -> bool:
    """Whether a checksum is right in the way of old programs, which added signed bytes."""
    values = np.frombuffer(header, np.int8)
    total = int(values.sum(dtype=np.int64) - values[148:156].sum(dtype=np.int64)) + 8 * 32
    return _octal(header[148:156]) == total
