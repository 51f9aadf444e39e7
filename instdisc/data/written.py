"""What a user writes in the place of images: one table of the formats, one line for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal, NamedTuple

from instdisc import checks

from .images.address import as_address
from .images.folders import ImageFolder
from .images.formats.hugging_face import HuggingFaceImages, is_saved_dataset
from .images.formats.lmdb import LMDBImages, is_lmdb
from .images.formats.parquet import ParquetImages, is_parquet
from .images.holding import is_shard_folder
from .images.shards.source import ImageShards
from .images.source import ImageSource
from .images.stores.source import StreamedShards


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


def open_path(
    path: str | Path,
    *,
    argument: str = "path",
    on_unreadable: Literal["raise", "skip"] = "raise",
) -> ImageSource:
    """The images at a path: in one of `FORMATS`, or else in an `ImageFolder`.

    Args:
        path: of a file or folder; or the address of tar shards, see `StreamedShards`.
        argument: what the user calls it, for messages.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if there is nothing of the kind.
        ValueError: if it cannot be opened.

    Example:
        >>> open_path("no/such/folder")
        Traceback (most recent call last):
        FileNotFoundError: `path` must be a folder of images, got 'no/such/folder'
    """
    checks.arguments(open_path, locals())
    address = as_address(path)
    if address is not None:
        try:
            return StreamedShards(address, on_unreadable=on_unreadable)
        except (ValueError, FileNotFoundError) as error:
            text = str(error).replace("`shards`", f"`{argument}`")
            raise type(error)(text) from None
    path = Path(path)
    form = next((form for form in FORMATS if form.matches(path)), None)
    if form is None and not path.is_dir():
        raise FileNotFoundError(f"`{argument}` must be a folder of images, got {str(path)!r}")
    name = "root" if form is None else form.argument
    try:
        return (ImageFolder if form is None else form.open)(path, on_unreadable=on_unreadable)
    except ValueError as error:  # there the path has another name
        raise ValueError(str(error).replace(f"`{name}`", f"`{argument}`")) from None


def part_places(folder: Path, names: Collection[str]) -> list[Path]:
    """What a folder holds of a part, by the first word of its names: one folder or several files.

    Args:
        folder: the set's.
        names: what the part may be called; the first that is there counts.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("train-0.parquet", "train-1.parquet", "val-0.parquet"):
        ...     (folder / name).touch()
        >>> [place.name for place in part_places(folder, ("test", "val"))]
        ['val-0.parquet']
    """
    places: dict[str, list[Path]] = {}
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        places.setdefault(re.split(r"[-_.]", place.name.lower())[0], []).append(place)
    return next((places[name] for name in names if name in places), [])
