"""Folders that are parts of a set, such as train/ and test/, and no classes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .packed import PackedPaths

# "train", "Validation", "test2017", "train_images"; in any case of letters.
_PART = re.compile(
    r"(train|training|trainval|test|testing|val|valid|validation|dev|eval|evaluation|unlabell?ed)"
    r"([-_ ]?(set|data|images|imgs|\d+))?",
    re.IGNORECASE,
)


def is_part(name: str) -> bool:
    """Whether a folder is called like a part of a set.

    Example:
        >>> [name for name in ("Train", "val2017", "test_images", "trains", "cat") if is_part(name)]
        ['Train', 'val2017', 'test_images']
    """
    return _PART.fullmatch(name) is not None


def refuse_parts(root: Path, folders: Mapping[str, PackedPaths]) -> None:
    """Refuses folders as classes that are called like parts of a set, all of them.

    A class may well be called so, as the vehicle among others; so may the one folder that holds
    all images, if it has no folders itself.

    Args:
        root: the folder.
        folders: the images below each folder in it, relative to `root`.

    Raises:
        ValueError: if all folders with images are parts; names them.
    """
    names = [name for name, paths in folders.items() if len(paths)]
    if not names or not all(is_part(name) for name in names):
        return
    if len(names) == 1 and not any(path.count(os.sep) > 1 for path in folders[names[0]]):
        return
    parts = " and ".join(f"{name}/" for name in names)
    raise ValueError(
        f"`root` must be a folder of class folders, got {str(root)!r}, which holds {parts}: parts "
        f"of a set. Give one of them, such as {str(root / names[0])!r}. If they are classes after "
        "all, list the images in a table (ImageTable)."
    )
