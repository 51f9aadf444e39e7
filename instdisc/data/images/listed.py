"""The image files that a table names."""

from __future__ import annotations

import os
from pathlib import Path

from .listing import composed, leaves_folder


class ListedFiles:
    r"""Finds the files that a table names, with one look into each folder; no line comes twice.

    A path may be written with the separators of Windows, and its letters in another form of
    Unicode than on the disk, as macOS does.

    Args:
        root: the folder that the paths are relative to.
        table: what names them, for messages.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "cat").mkdir()
        >>> (root / "cat" / "1.png").touch()
        >>> ListedFiles(root, "pets.csv").find(2, r"cat\1.png")
        'cat/1.png'
    """

    def __init__(self, root: Path, table: str | Path) -> None:
        self._root = root
        self._table = table
        self._present: dict[str, dict[str, str]] = {}
        self._lines: dict[tuple[object, ...], int] = {}

    def add(self, line: int, path: str, *truth: object) -> int:
        """Notes that a line names an image.

        Args:
            line: its number.
            path: of the image.
            truth: what the line says of the image, where several lines may say different things
                of one.

        Returns:
            The first line that names the image: `line` itself if it is new.

        Raises:
            ValueError: if another line says the same of the image, or the path leads out of the
                root.
        """
        if leaves_folder(path):
            raise ValueError(
                f"line {line} of {self._table} names {path!r}, which leads out of {self._root}. "
                "Write paths relative to one folder that holds all images, and give it as `root`."
            )
        image = composed(os.path.normpath(path.replace("\\", "/")))
        first = self._lines.setdefault((image, *truth), line)
        if first != line:
            raise ValueError(
                f"line {line} of {self._table} names {path!r} again, after line {first}. Remove "
                "one of them."
            )
        return self._lines.setdefault((image,), line)

    def find(self, line: int, path: str) -> str:
        """The path of the file, relative to the root.

        Raises:
            ValueError: if it is not there; names the line.
        """
        for written in (path, path.replace("\\", "/")):
            folder, name = os.path.split(os.path.normpath(written))
            entry = self._names(folder).get(composed(name))
            if entry is not None:
                return os.path.join(folder, entry)
        raise ValueError(
            f"line {line} of {self._table} names {path!r}, which is not in {self._root}"
        )

    def _names(self, folder: str) -> dict[str, str]:
        if folder not in self._present:
            inner = self._root / folder
            names = os.listdir(inner) if inner.is_dir() else []
            self._present[folder] = {composed(name): name for name in names}
        return self._present[folder]
