"""A set that lies in one of `FORMATS`: where, and its parts, all in one place or apart."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .file_formats import FORMATS, Format
from .images.address import Address, without_secrets
from .images.holding import holds_image
from .images.joined import JoinedImages
from .images.listing import list_folder
from .images.source import ImageSource
from .images.stores.finding import stored_folders
from .images.stores.source import StreamedShards
from .images.stores.store import Store
from .layout import TEST_FOLDERS, TRAIN_FOLDERS, Part
from .left_out import say_left_out

_BELOW = "data"  # of a data set of the Hugging Face Hub: its files lie beside README.md
_TRIES, _PAUSE = 5, 1.0  # as `StreamedShards` has them
_NAMES = {"train": TRAIN_FOLDERS, "test": TEST_FOLDERS}
_FIRST_WORD = re.compile(rf"({'|'.join((*TRAIN_FOLDERS, *TEST_FOLDERS))})(?:[-_.]|$)", re.I)


def find_format(path: Path) -> tuple[Format, Path] | None:
    """In which format a path lies, and where: there, or in ``data`` below it; ``None`` for none."""
    for form in FORMATS:
        place = format_place(form, path)
        if place is not None:
            return form, place
    return None


def format_place(form: Format, path: Path) -> Path | None:
    """Where a set lies in a format, whole or in parts; ``None`` if it does not.

    Args:
        form: the format.
        path: of the set, or of a folder that holds it in ``data`` as on the Hugging Face Hub, and
            no image.
    """
    if form.matches(path) or has_parts(form, path):
        return path
    below = path / _BELOW
    if (form.matches(below) or has_parts(form, below)) and not holds_image(path):
        return below
    return None


def has_parts(form: Format, folder: Path) -> bool:
    """Whether a folder holds something of a format to train on, and something to test on."""
    return all(_places(form, folder).values())


def open_part(form: Format, folder: Path, part: Part, **options: Any) -> ImageSource:
    """A part of a set whose parts lie apart.

    Args:
        form: in which they lie.
        folder: of both.
        part: ``"train"``, ``"test"``, or ``"all"`` for both, as one set.
        options: of the source.

    Raises:
        ValueError: if the parts do not have the same classes in one order.
    """
    places = _places(form, folder)
    _say_others(folder, [place for part in places.values() for place in part])
    return _open_both(partial(_open, form, **options), places, part, folder, form.takes_classes)


def open_stored_part(address: str, part: Part) -> ImageSource | None:
    """A part of a set of shards in a store; ``None`` if it has no folders for the parts.

    Args:
        address: of the folder of both.
        part: see `open_part`.

    Raises:
        ValueError: see `open_part`.
    """
    folders = stored_parts(address)
    if len(folders) < 2:
        return None
    return _open_both(StreamedShards, folders, part, without_secrets(address), True)


def stored_parts(address: str) -> dict[str, str]:
    """The addresses of the folders in a store to train on and to test on, those that are there."""
    inside = stored_folders(address, Store(None, tries=_TRIES, pause=_PAUSE))
    return {
        name: (Address(address) / next(filter(inside.__contains__, names))).full
        for name, names in (("train", TRAIN_FOLDERS), ("test", TEST_FOLDERS))
        if set(names) & set(inside)
    }


def _open_both(
    open_place: Callable[..., ImageSource],
    places: Mapping[str, Any],
    part: Part,
    set_name: object,
    takes_classes: bool,
) -> ImageSource:
    parts = {name: open_place(place) for name, place in places.items()}
    if list(parts["train"].classes) != list(parts["test"].classes):
        classes = _joined_classes(takes_classes, set_name, parts["train"], parts["test"])
        parts = {name: open_place(place, classes=classes) for name, place in places.items()}
    return JoinedImages(parts) if part == "all" else parts[part]


def _places(form: Format, folder: Path) -> dict[str, list[Path]]:
    """What a folder holds of each part: one folder, or one file or several."""
    places: dict[str, list[Path]] = {}
    for name in os.listdir(folder) if folder.is_dir() else ():
        match = _FIRST_WORD.match(name)
        if match is not None:
            places.setdefault(match[1].lower(), []).append(folder / name)
    # The first of its names counts: val is to test on where there is no test.
    chosen = {
        part: next((sorted(places[name]) for name in names if name in places), [])
        for part, names in _NAMES.items()
    }
    return {part: list(filter(form.matches, paths)) for part, paths in chosen.items()}


def _open(form: Format, places: Sequence[Path], **options: Any) -> ImageSource:
    return form.open(places[0] if len(places) == 1 else places, **options)


def _say_others(folder: Path, places: Sequence[Path]) -> None:
    others = sorted({path for path in list_folder(folder) if path.is_dir()}.difference(places))
    say_left_out(
        range(len(others)),
        f"{folder}: %d folders are neither to train on nor to test on and are left out, first: ",
        lambda row: f"{others[row].name}/",
    )


def _joined_classes(
    takes_classes: bool, set_name: object, train: ImageSource, test: ImageSource
) -> list[str]:
    """The classes of both, where they are numbers that nobody named, fewer of them in one."""
    shorter, longer = sorted((list(train.classes), list(test.classes)), key=len)
    numbers = [str(number) for number in range(len(longer))]
    if takes_classes and longer == numbers and longer[: len(shorter)] == shorter:
        return longer
    odd = sorted(set(shorter) ^ set(longer)) or shorter
    raise ValueError(
        f"what {set_name} holds to train on and to test on must have the same classes in one "
        f"order, got {odd[0]!r} in one of them alone"
    )
