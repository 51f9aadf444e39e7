"""The files of a folder by their names."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from .reporting import report


def files_by_stem(folder: Path, suffixes: Collection[str]) -> dict[str, list[str]]:
    """The files of some suffixes, in whatever case, by their names without suffix.

    Files that begin with a dot are left out, and the log counts them.

    Args:
        folder: where they lie.
        suffixes: in small letters.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.jpg", "a.PNG", "b.jpg", "b.txt"):
        ...     (folder / name).touch()
        >>> files_by_stem(folder, {".jpg", ".png"})
        {'a': ['a.PNG', 'a.jpg'], 'b': ['b.jpg']}
    """
    fitting = sorted(
        entry for entry in os.listdir(folder) if os.path.splitext(entry)[1].lower() in suffixes
    )
    hidden = [entry for entry in fitting if entry.startswith(".")]  # macOS: ._NAME beside NAME
    report(
        range(len(hidden)),
        f"{folder}: left out %d files whose names begin with a dot, first: ",
        lambda row: hidden[row],
        most=1,
    )
    found: dict[str, list[str]] = {}
    for entry in fitting:
        if not entry.startswith("."):
            found.setdefault(os.path.splitext(entry)[0], []).append(entry)
    return found
