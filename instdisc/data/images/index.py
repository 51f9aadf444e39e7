"""What lies in a folder, remembered from one run to the next.

Legend: F folders.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .files import SUFFIXES
from .listing import is_clutter
from .packed import PackedPaths
from .remembered import file_about, load_arrays, save_arrays

LEAST = 50_000  # images; a local disk lists fewer in less than 0.1 s
_FORMAT = 2
_SETTLED = 2_000_000_000  # ns; the coarsest clock of a file system (FAT) ticks every 2 s

_log = logging.getLogger(__name__)


class Branch(NamedTuple):
    """The images of one class folder with all folders in it, or those in the root alone.

    Attributes:
        folders: relative to the root, the class folder first; ``""`` is the root.
        stamps: ``(F, 2)`` int64 time of change in ns and number of each folder, as they were
            before it was scanned.
        files: the images relative to the root, sorted.
    """

    folders: list[str]
    stamps: np.ndarray
    files: PackedPaths


def find_images(root: str | Path, index: Path | None = None) -> dict[str, PackedPaths]:
    """The images in each folder directly below `root`, and under ``""`` those in `root` itself.

    Clutter (`is_clutter`) is passed over; linked folders are followed.

    Args:
        root: the folder.
        index: folder of the index files. One of them remembers the paths, if there are many;
            from then on only folders that have changed since are scanned again.

    Returns:
        Sorted names of folders -> sorted paths relative to `root`.
    """
    place = os.path.realpath(root)
    file = None if index is None else file_about(place, index)
    remembered = {} if file is None else _load(file, place)
    branches = _scan(place, remembered)
    if file is not None and sum(len(branch.files) for branch in branches.values()) >= LEAST:
        same = all(branch is remembered.get(name) for name, branch in branches.items())
        if not same or len(branches) != len(remembered):
            _save(file, place, branches)
    return {name: branch.files for name, branch in branches.items()}


def _scan(root: str, remembered: dict[str, Branch]) -> dict[str, Branch]:
    top = remembered.get("")
    if top is not None and _is_fresh(root, top):
        names = [name for name in remembered if name]
    else:
        top, names = _scan_branch(root, "")
    branches = {"": top}
    for name in sorted(names):
        branch = remembered.get(name)
        if branch is None or not _is_fresh(root, branch):
            branch, _ = _scan_branch(root, name)
        branches[name] = branch
    return branches


def _scan_branch(root: str, name: str) -> tuple[Branch, list[str]]:
    """The branch; and for the root, the folders in it, which are branches of their own."""
    folders, stamps, files = [name], [], []
    below: list[str] = folders if name else []
    for folder in folders:  # grows meanwhile
        # Before the scan: what changes during it is then seen the next time.
        stamps.append(_stamp(root, folder, settled=True))
        prefix = folder and folder + os.sep
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                inner = entry.name
                if is_clutter(inner):
                    continue
                if _is_folder(entry):
                    below.append(prefix + inner)
                elif inner[inner.rfind(".") :].lower() in SUFFIXES:
                    files.append(prefix + inner)
    files.sort()
    return Branch(folders, np.array(stamps, dtype=np.int64), PackedPaths.pack(files)), below


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle: a file that cannot be read, if it is called like an image
        return False


def _is_fresh(root: str, branch: Branch) -> bool:
    try:
        return all(
            _stamp(root, folder) == tuple(stamp)
            for folder, stamp in zip(branch.folders, branch.stamps.tolist(), strict=True)
        )
    except OSError:  # no longer there
        return False


def _stamp(root: str, folder: str, *, settled: bool = False) -> tuple[int, int]:
    """Changes whenever something is added to a folder, removed or renamed in it.

    `settled` gives a stamp that equals none if the folder changed just now: another change within
    the same tick of the file system's clock would not show.
    """
    status = os.stat(os.path.join(root, folder))
    changed = status.st_mtime_ns
    if settled and changed > time.time_ns() - _SETTLED:
        changed = -1
    # The number tells apart two folders of one age when a link moves from one to the other.
    return changed, status.st_ino & (2**63 - 1)


def _load(file: Path, root: str) -> dict[str, Branch]:
    """What the index says; nothing if there is none or it is not one of this folder."""
    if not file.exists():
        return {}
    try:
        stored = load_arrays(file, root, _FORMAT)
        folders = PackedPaths(stored["folders"].tobytes(), stored["folder_offsets"])
        files = PackedPaths(stored["files"].tobytes(), stored["file_offsets"])
        names, stamps, ends = list(folders), stored["stamps"], stored["ends"]
        branches = [
            Branch(names[i:k], stamps[i:k], files.part(j, m))
            for (i, j), (k, m) in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        ]
        return {branch.folders[0]: branch for branch in branches}
    except (ValueError, KeyError, IndexError) as error:
        _log.warning("the index %s is of no use (%s); scanning again", file, error)
        return {}


def _save(file: Path, root: str, branches: dict[str, Branch]) -> None:
    folders = PackedPaths.pack(folder for branch in branches.values() for folder in branch.folders)
    files = PackedPaths.join([branch.files for branch in branches.values()])
    sizes = [(len(branch.folders), len(branch.files)) for branch in branches.values()]
    arrays = {
        "folders": np.frombuffer(folders.data, np.uint8),
        "folder_offsets": folders.offsets,
        "files": np.frombuffer(files.data, np.uint8),
        "file_offsets": files.offsets,
        "stamps": np.concatenate([branch.stamps for branch in branches.values()]),
        "ends": np.array([(0, 0), *sizes], dtype=np.int64).cumsum(axis=0),
    }
    try:
        save_arrays(file, root, _FORMAT, arrays)
    except OSError as error:
        _log.warning(
            "cannot keep the index of %s in %s (%s), so that each start scans it all. Pass "
            "index=a folder that can be written, or index=False",
            root,
            file.parent,
            error,
        )
