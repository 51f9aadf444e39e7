"""Which copies of images were made, and of what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, TextIO


class Made(NamedTuple):
    """A copy, and the original that it was made of."""

    size: int  # bytes
    source_size: int  # bytes
    source_changed: int  # ns


class CopyLedger:
    """A file that grows by one JSON line for each copy, after a line with the settings of all.

    Args:
        folder: for the file, and for copies that are not finished.
        settings: how the copies are made.

    Attributes:
        made: the copies of earlier runs, by the path of the original.

    Raises:
        ValueError: if the folder is of copies that were made with other settings.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with CopyLedger(folder, {"quality": 90}) as ledger:
        ...     ledger.write("cat/1.jpg", Made(33_000, 110_000, 1))
        >>> with CopyLedger(folder, {"quality": 90}) as ledger:
        ...     ledger.made
        {'cat/1.jpg': Made(size=33000, source_size=110000, source_changed=1)}
    """

    def __init__(self, folder: Path, settings: dict[str, int]) -> None:
        self.folder = folder
        self.settings = settings
        self.made: dict[str, Made] = {}
        file = folder / "copies.jsonl"
        lines = [""]
        if file.exists():
            lines = file.read_text(encoding="ascii", errors="replace").split("\n")
        for line in lines[1:]:
            try:
                path, *numbers = json.loads(line)
                self.made[path] = Made(*numbers)
            except (ValueError, TypeError):
                continue  # cut short where a run was killed; that copy is made again
        head = json.dumps(settings)
        if self.made and lines[0] != head:
            raise ValueError(
                f"`target` {folder.parent} holds copies made with {lines[0]}, got {head}. Choose "
                "another folder, or the settings that these have."
            )
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("*.jpg"):  # by a run that was killed
            left.unlink(missing_ok=True)
        if not self.made:
            file.write_text(head + "\n", encoding="ascii")
        self._opened: TextIO = file.open("a", encoding="ascii", buffering=1)
        if self.made and lines[-1]:
            self._opened.write("\n")

    def write(self, path: str, made: Made) -> None:
        """Adds a copy."""
        self._opened.write(json.dumps([path, *made]) + "\n")

    def __enter__(self) -> CopyLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
