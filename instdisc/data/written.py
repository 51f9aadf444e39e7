"""What a user writes in the place of images: a path, or one part of what lies there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, cast

from instdisc import checks

from .format_parts import find_format, has_parts, open_part
from .images.address import as_address
from .images.folders import ImageFolder
from .images.source import ImageSource
from .images.stores.source import StreamedShards
from .layout import Part
from .left_out import say_once

_PART = re.compile(r"(.+)@(train|test|all)")


def open_path(
    path: str | Path,
    *,
    argument: str = "path",
    on_unreadable: Literal["raise", "skip"] = "raise",
) -> ImageSource:
    """The images at a path: in one of `FORMATS`, or else in an `ImageFolder`.

    Files may also lie in ``data`` below it, as in a data set of the Hugging Face Hub. Where those
    to train on and those to test on lie apart (``train-00000-of-00002.parquet`` beside
    ``test-00000-of-00001.parquet``), the first are taken, and the log says so; ``FOLDER@test`` is
    the others, ``FOLDER@train`` the same without a word, ``FOLDER@all`` both.

    Args:
        path: of a file or folder; or the address of tar shards, see `StreamedShards`.
        argument: what the user calls it, for messages.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if there is nothing of the kind.
        ValueError: if it cannot be opened, or has no parts of which one is asked for.

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
    match = None if Path(path).exists() else _PART.fullmatch(str(path))
    folder = Path(path if match is None else match[1])
    lies = find_format(folder)
    if lies is None and not folder.is_dir():
        raise FileNotFoundError(f"`{argument}` must be a folder of images, got {str(path)!r}")
    apart = lies is not None and has_parts(*lies)
    if match is not None and not apart:
        checks.refuse(
            argument,
            f"a folder with files to train on and files to test on for '@{match[2]}'",
            str(path),
            "A folder in it is given by its path.",
        )
    name = "root" if lies is None else lies[0].argument
    try:
        if lies is None:
            return ImageFolder(folder, on_unreadable=on_unreadable)
        form, place = lies
        if apart:
            part = _part(folder) if match is None else match[2]
            images = open_part(form, place, cast(Part, part), on_unreadable=on_unreadable)
        else:
            images = form.open(place, on_unreadable=on_unreadable)
    except ValueError as error:  # there the path has another name
        raise ValueError(str(error).replace(f"`{name}`", f"`{argument}`")) from None
    if apart or place != folder:
        images.name = folder.resolve().name
    return images


def _part(folder: Path) -> str:
    say_once(
        f"{folder} holds images to train on and images to test on: the first are taken; "
        f"{folder}@test names the others, {folder}@all both"
    )
    return "train"
