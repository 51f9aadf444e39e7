"""The files of a folder by their names."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ..images.listing import composed, is_clutter
from ..left_out import say_left_out


def files_by_stem(folder: Path, suffixes: Collection[str]) -> dict[str, list[str]]:
    """The files of some suffixes, in whatever case, by their names without suffix (`composed`).

    What systems leave, as macOS its ``._NAME``, is left out, and the log counts it.

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
    hidden = [entry for entry in fitting if is_clutter(entry)]
    say_left_out(
        range(len(hidden)),
        f"{folder}: left out %d files that a system left, first: ",
        lambda row: hidden[row],
    )
    by_stem: dict[str, list[str]] = {}
    for entry in fitting:
        if not is_clutter(entry):
            by_stem.setdefault(composed(os.path.splitext(entry)[0]), []).append(entry)
    return by_stem
