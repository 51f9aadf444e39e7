"""What a folder holds: images, or tars of images."""

from __future__ import annotations

from pathlib import Path

from .files import SUFFIXES
from .listing import is_clutter, walk_folder
from .shards.finding import holds_shards


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
