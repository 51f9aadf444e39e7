"""A folder of images, however they lie in it: as files or in tar shards."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .files import SUFFIXES
from .folders import ImageFolder
from .listing import is_clutter, walk_folder
from .shards.finding import holds_shards
from .shards.source import ImageShards


def open_folder(
    folder: str | Path, *, on_unreadable: Literal["raise", "skip"] = "raise"
) -> ImageFolder | ImageShards:
    """The images in a folder: `ImageShards` where it holds tars and no images, else `ImageFolder`.

    Args:
        folder: where to look.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError, ValueError: from these two.
    """
    if is_shard_folder(Path(folder)):
        return ImageShards(folder, on_unreadable=on_unreadable)
    return ImageFolder(folder, on_unreadable=on_unreadable)


def is_shard_folder(folder: Path) -> bool:
    """Whether tars lie in a folder, and no image in it or below it."""
    return holds_shards(folder) and not holds_image(folder)


def holds_image(folder: Path) -> bool:
    """Whether an image lies in a folder or below it."""
    return any(
        Path(name).suffix.lower() in SUFFIXES and not is_clutter(name)
        for _, files in walk_folder(folder)
        for name in files
    )
