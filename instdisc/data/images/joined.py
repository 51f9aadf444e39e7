"""Several folders of class folders as one set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from instdisc import checks

from .files import ImageFiles
from .folders import ImageFolder


def join_folders(root: str | Path, names: Sequence[str]) -> ImageFiles:
    """The images of folders that have the same class folders, one folder after the other.

    Args:
        root: what the paths of the set are relative to.
        names: the folders below it; see `ImageFolder` for what lies in each.

    Raises:
        FileNotFoundError: if one is not a folder.
        ValueError: if they do not have the same class folders; names one that is not in all.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("train/cat", "test/cat"):
        ...     (root / name).mkdir(parents=True)
        ...     Image.new("RGB", (8, 6)).save(root / name / "1.png")
        >>> list(join_folders(root, ["train", "test"]).paths)
        ['train/cat/1.png', 'test/cat/1.png']
    """
    checks.arguments(join_folders, locals())
    if not names:
        checks.refuse("names", "the names of folders, at least one", names)
    for name in names:
        if not (Path(root) / name).is_dir():
            raise FileNotFoundError(
                f"`names` must be folders in `root`={str(root)!r}, got {name!r}, which is not there"
            )
    folders = [ImageFolder(Path(root) / name) for name in names]
    odd = [set(folders[0].classes) ^ set(folder.classes) for folder in folders]
    for name, differing in zip(names, odd, strict=True):
        if differing:
            raise ValueError(
                f"{names[0]}/ and {name}/ in {root} must have the same class folders; "
                f"{min(differing)!r} is only in one of them"
            )
    return ImageFiles(
        root,
        [name + os.sep + path for name, f in zip(names, folders, strict=True) for path in f.paths],
        torch.cat([folder.labels for folder in folders]),
        classes=folders[0].classes,
    )
