"""Arrays about a folder that are kept from one run to the next, and can be made again."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from instdisc.writing import write_atomically


def cache_folder() -> Path | None:
    """Where this user's programs keep what they can make again; ``None`` if there is no home."""
    try:
        if os.environ.get("XDG_CACHE_HOME"):
            base = Path(os.environ["XDG_CACHE_HOME"])
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        elif sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        else:
            base = Path.home() / ".cache"
    except RuntimeError:  # of Path.home
        return None
    return base / "instdisc"


def file_about(root: str, place: Path, kind: str = "") -> Path:
    """The file of what is remembered of a folder.

    Args:
        root: the folder, absolute.
        place: where such files lie.
        kind: of what is remembered, if there are several.
    """
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return place / f"{os.path.basename(root)}-{digest}{kind and '-'}{kind}.npz"


def load_arrays(file: Path, root: str, release: int) -> dict[str, np.ndarray]:
    """What `save_arrays` wrote of a folder.

    Args:
        file: see `file_about`.
        root: the folder.
        release: of the form in which it was written.

    Raises:
        ValueError: if the file is damaged, or of another folder or release.
    """
    try:
        # A zip file: a checksum guards each array.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except Exception as error:  # numpy and zipfile raise anything at broken bytes
        raise ValueError(str(error)) from error
    if (arrays.get("format"), arrays.get("root", np.empty(0)).tobytes()) != (
        release,
        os.fsencode(root),
    ):
        raise ValueError("it is of another folder or release")
    return arrays


def save_arrays(file: Path, root: str, release: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Keeps arrays about a folder, whole or not at all.

    Args:
        file: see `file_about`.
        root: the folder.
        release: of the form in which it is written.
        arrays: what to keep.

    Raises:
        OSError: if it cannot be written.
    """
    about = {"format": np.array(release), "root": np.frombuffer(os.fsencode(root), np.uint8)}
    # Other processes may write the same file now: each its own, and the last one stays.
    write_atomically(file, lambda path: np.savez(path, **about, **arrays))  # type: ignore[arg-type]
