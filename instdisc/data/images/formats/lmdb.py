"""Images in an LMDB."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from instdisc import checks

from ..packed import PackedPaths
from ..source import no_labels
from .encoded import EncodedImages
from .packages import import_package


class LMDBImages(EncodedImages):
    """Images in an LMDB whose keys are their paths and whose values are the bytes of their files.

    That is the layout of LSUN, and of OpenMMLab's and BasicSR's tools. There is none for labels on
    which the field agrees; here a path begins with the class, as in an image folder:
    ``cat/1.jpg``. Paths without a folder are images of no class. An LMDB of pickled tuples, with
    keys such as ``__len__``, is refused: whoever opens it runs what it holds.

    Images are read in any order at the same cost. The file is memory-mapped, and processes share
    it.

    Args:
        path: the folder with ``data.mdb``, or a file.
        name: for records and messages; ``None`` for that of the folder.
        on_unreadable: ``"raise"`` or ``"skip"``; see `ImageFiles`.

    Raises:
        ImportError: if the package ``lmdb`` is not there.
        FileNotFoundError: if there is no such folder or file.
        ValueError: if it is no LMDB, is empty or in another layout; while reading, if an image
            cannot be decoded.

    Example:
        >>> import io, tempfile
        >>> import lmdb
        >>> from PIL import Image
        >>> picture, folder = io.BytesIO(), tempfile.mkdtemp()
        >>> Image.new("RGB", (8, 6)).save(picture, "PNG")
        >>> with lmdb.open(folder) as environment, environment.begin(write=True) as writing:
        ...     for path in (b"cat/1.png", b"dog/1.png"):
        ...         _ = writing.put(path, picture.getvalue())
        >>> images = LMDBImages(folder)
        >>> images.classes, images.labels.tolist(), images.image_names(), images.read(1).shape
        (['cat', 'dog'], [0, 1], ['cat/1.png', 'dog/1.png'], torch.Size([3, 6, 8]))
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(LMDBImages.__init__, locals())
        import_package("lmdb", "LMDBImages")
        if not Path(path).exists():
            raise FileNotFoundError(f"`path` must be the folder of an LMDB, got {str(path)!r}")
        self.path = Path(path)
        self.name = self.path.resolve().stem if name is None else name
        self.on_unreadable = on_unreadable
        self._file = os.path.realpath(path)
        self._environment: Any = None
        with self._open().begin() as reading, reading.cursor() as cursor:
            keys = list(cursor.iternext(values=False))
        self.labels, self.classes = no_labels(len(keys)), []
        branches = [key.partition(b"/")[0] if b"/" in key else b"" for key in keys]
        if not keys or any(key.startswith(b"__") for key in keys):
            rule = "an LMDB of paths and files of images"
            odd = next((key.decode(errors="replace") for key in keys if key[:2] == b"__"), "none")
            checks.refuse("path", rule, str(path), f"It has the key {odd!r}.")
        if any(branches):
            if not all(branches):
                loose = keys[branches.index(b"")].decode(errors="replace")
                remedy = f"{loose!r} is in none, and others are."
                checks.refuse("path", "an LMDB with each image in a class", str(path), remedy)
            names, numbers = np.unique(np.array(branches, dtype=object), return_inverse=True)
            # "a-b/1" comes before "a/1", and the class "a" before "a-b".
            order = np.argsort(numbers, kind="stable")
            keys = [keys[row] for row in order.tolist()]
            self.labels = torch.from_numpy(numbers[order].astype(np.int64))
            self.classes = [os.fsdecode(branch) for branch in names]
        ends = np.cumsum([0, *map(len, keys)], dtype=np.int64)
        self._keys = PackedPaths(b"".join(keys), ends)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_environment": None}

    def encoded(self, index: int) -> bytes | None:
        with self._open().begin() as reading:
            content: bytes | None = reading.get(os.fsencode(self._keys[index]))
        return content

    def image_names(self) -> list[str]:
        return list(self._keys)

    def place(self, index: int) -> str:
        return f"{self._keys[index]} of {self.path}"

    def volume(self) -> int:
        file = self.path / "data.mdb" if self.path.is_dir() else self.path
        return file.stat().st_size

    def stamp(self, index: int) -> str:
        return f"{self._keys[index]} {self.volume()}"

    def _open(self) -> Any:
        # Kept, too: the table of what is open does not keep it.
        self._environment = open_environment(self._file)
        return self._environment


def is_lmdb(path: Path) -> bool:
    """Whether a folder or file is an LMDB, by the names of its files."""
    if path.is_dir():
        return (path / "data.mdb").is_file()
    return path.is_file() and path.suffix.lower() in (".lmdb", ".mdb")


# A process may open an LMDB once, however many sources read it.
_opened: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def open_environment(path: str) -> Any:
    """The LMDB at an absolute path, for reading.

    Raises:
        ValueError: if it is none.
    """
    environment = _opened.get(path)
    if environment is not None:
        return environment
    lmdb = import_package("lmdb", "LMDBImages")
    with _lock:
        if (environment := _opened.get(path)) is None:
            try:
                # No lock file: sets for reading often lie where nothing can be written.
                environment = lmdb.open(
                    path, subdir=os.path.isdir(path), readonly=True, lock=False, readahead=False
                )
            except lmdb.Error as error:
                raise ValueError(f"`path` must be an LMDB, got {path!r}: {error}") from error
            _opened[path] = environment
    return environment


def _leave_to_parent() -> None:
    """In a forked process: what is open is the other one's, and so is the lock."""
    global _lock
    _lock = threading.Lock()
    for environment in list(_opened.values()):
        environment.close()
    _opened.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
