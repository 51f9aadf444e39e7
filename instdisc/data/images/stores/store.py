"""Files in a store that `fsspec` knows: listed, asked for, copied; tried again when that fails."""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import fsspec
from fsspec.registry import known_implementations, registry

from instdisc import checks

from ..address import Address, without_secrets
from ..shards.stamps import UNSETTLED, Stamp, settled

_Result = TypeVar("_Result")
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_AT_ONCE = 16  # files that are asked for together
# What stores tell of a file that changes with it; the first that one tells counts.
_MARKS = (
    *("ETag", "etag", "e_tag", "md5Hash", "md5", "content_md5", "Content-MD5", "crc32c"),
    *("generation", "sha256", "oid", "blob_id", "Digest", "mtime", "LastModified"),
    *("last_modified", "Last-Modified", "updated", "created"),
)


class Entry(NamedTuple):
    """What a store tells of a file or folder.

    Attributes:
        stamp: size, -1 if it is not told, and what changes with the file, `UNSETTLED` likewise.
        is_folder: whether it is one.
    """

    stamp: Stamp
    is_folder: bool


class Store:
    """Reads files of a store; any process may, also after a fork or pickling.

    Args:
        options: for fsspec's file system.
        tries: how often a read is tried.
        pause: seconds before the second try; twice as long before each that follows.
    """

    def __init__(self, options: Mapping[str, Any] | None, *, tries: int, pause: float) -> None:
        self.options = dict(options or {})
        self.tries, self.pause = tries, pause

    def inside(self, folder: Address) -> dict[str, Entry]:
        """What lies in a folder, by its name there; nothing if it is a file.

        Raises:
            FileNotFoundError: if it is not there.
        """

        def entries() -> list[dict[str, Any]]:
            files, path = self._open(folder)
            files.invalidate_cache()
            listed: list[dict[str, Any]] = files.ls(path, detail=True)
            return [info for info in listed if info["name"].rstrip("/") != path.rstrip("/")]

        return {
            info["name"].rstrip("/").rpartition("/")[2]: _entry(info)
            for info in self._try(folder, entries)
        }

    def entries(self, addresses: Sequence[Address]) -> list[Entry]:
        """What the store tells of each of some files.

        Raises:
            FileNotFoundError: if one is not there.
        """
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(self.entry, addresses))

    def entry(self, address: Address) -> Entry:
        """What the store tells of a file.

        Raises:
            FileNotFoundError: if it is not there.
        """

        def info() -> Entry:
            files, path = self._open(address)
            return _entry(files.info(path))

        return self._try(address, info)

    def read(self, address: Address) -> bytes | None:
        """A small file; ``None`` if there is none."""

        def content() -> bytes:
            files, path = self._open(address)
            file_bytes: bytes = files.cat_file(path)
            return file_bytes

        try:
            return self._try(address, content)
        except FileNotFoundError:
            return None

    def copy(self, address: Address, target: Path, stamp: Stamp) -> None:
        """Copies a file of this size and mark to a path.

        Raises:
            FileNotFoundError: if it is not there.
            RuntimeError: if it is another one.
            ConnectionError: if it cannot be read in full.
        """
        size, mark = stamp

        def copy() -> None:
            files, path = self._open(address)
            info = files.info(path)
            marks = _marks(info)  # a listing may tell less, or another
            if _entry(info).stamp[0] not in (-1, size) or (
                marks and mark != UNSETTLED and mark not in marks
            ):
                raise RuntimeError(
                    f"the shard {address} has changed since its index was read. Open the set again."
                )
            files.get_file(path, str(target))
            if target.stat().st_size != size:
                raise OSError(f"{target.stat().st_size:,} of {size:,} bytes came")

        self._try(address, copy)

    def _open(self, address: Address) -> tuple[Any, str]:
        """The file system, of which fsspec keeps one for each process, and a path in it."""
        try:
            files, path = fsspec.core.url_to_fs(address.full, **self.options)
        except ImportError as error:
            raise ImportError(
                f"{str(address).partition('://')[0]}:// needs the package "
                f"{_package(address)}: pip install {_package(address)}"
            ) from error
        return files, path

    def _try(self, address: Address, function: Callable[[], _Result]) -> _Result:
        reason = ""
        for number in range(self.tries):
            if number:
                time.sleep(self.pause * 2 ** (number - 1))
            try:
                return function()
            except FileNotFoundError:
                # Not `from error`, here and below: its text may show what is secret.
                raise FileNotFoundError(f"there is no {address}") from None
            except PermissionError as error:
                raise PermissionError(
                    f"{address} may not be read ({without_secrets(error)}). Credentials come from "
                    "where the store's package looks for them, or from `storage_options`."
                ) from None
            except (ImportError, NotImplementedError, RuntimeError):
                raise
            except Exception as error:  # each package has its own
                if getattr(error, "errno", None) in _FULL:
                    raise OSError(
                        f"no space is left for a copy of {address} ({without_secrets(error)}). "
                        "Make `room` smaller than what is free, or choose another folder: copies="
                    ) from None
                reason = f"{type(error).__name__}: {without_secrets(error)}"
        raise ConnectionError(
            f"cannot read {address} ({reason}), tried {self.tries} times. Is the store reachable, "
            "and the address right?"
        ) from None


def check_protocol(address: Address) -> None:
    """Refuses an address of a kind that fsspec does not know.

    Raises:
        ValueError: if it is such.
    """
    protocol = address.full.partition("://")[0].rpartition("::")[2].lower()
    if protocol not in {*registry, *known_implementations}:
        checks.refuse(
            "shards", "at an address that fsspec knows, such as s3:// or https://", str(address)
        )


def _entry(info: Mapping[str, Any]) -> Entry:
    size = info.get("size")
    folder = info.get("type") == "directory"
    mark = next(iter(_marks(info)), UNSETTLED)
    return Entry(settled((-1 if size is None else int(size), mark)), folder)


def _marks(info: Mapping[str, Any]) -> list[int]:
    """Numbers that change when the file does; a time in ns where the store tells that."""
    return [_mark(name, info[name]) for name in _MARKS if info.get(name) not in (None, "")]


def _mark(name: str, value: Any) -> int:
    if isinstance(value, datetime):
        value = value.timestamp()
    if isinstance(value, float) or (name == "mtime" and isinstance(value, int)):
        return int(value * 1e6) * 1000
    text = json.dumps([name, str(value)])
    # 60 bits are less than the time now, of which `settled` would think.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 4


def _package(address: Address) -> str:
    protocol = address.full.partition("://")[0].rpartition("::")[2]
    place = known_implementations.get(protocol, {}).get("class", protocol)
    package = place.partition(".")[0]
    return "aiohttp" if package == "fsspec" and protocol.startswith("http") else package
