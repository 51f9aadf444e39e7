"""The formats in which images lie in files larger than an image: one table, one line for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .images.formats.hugging_face import HuggingFaceImages, is_saved_dataset
from .images.formats.lmdb import LMDBImages, is_lmdb
from .images.formats.parquet import ParquetImages, is_parquet
from .images.holding import is_shard_folder
from .images.shards.source import ImageShards
from .images.source import ImageSource


class Format(NamedTuple):
    """A way in which a set of images lies in files that are larger than an image.

    Attributes:
        name: for messages.
        matches: whether a path lies so.
        open: makes the source; gets the path, or several of one set, and ``on_unreadable``.
        argument: what `open` calls the path in its messages.
        takes_classes: whether `open` takes ``classes``, the names of labels that are numbers.
    """

    name: str
    matches: Callable[[Path], bool]
    open: Callable[..., ImageSource]
    argument: str
    takes_classes: bool = True


FORMATS: list[Format] = [
    Format("a folder of tar shards", is_shard_folder, ImageShards, "shards"),
    Format("a folder of datasets' save_to_disk", is_saved_dataset, HuggingFaceImages, "dataset"),
    Format("a .parquet file or a folder of them", is_parquet, ParquetImages, "files"),
    Format("an LMDB", is_lmdb, LMDBImages, "path", takes_classes=False),
]
