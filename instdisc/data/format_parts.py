"""The parts of a set that lies in one of `FORMATS`: all in one place, or apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .images.address import Address, without_secrets
from .images.joined import JoinedImages
from .images.listing import list_folder
from .images.source import ImageSource
from .images.stores.finding import stored_folders
from .images.stores.source import StreamedShards
from .images.stores.store import Store
from .layout import TEST_FOLDERS, TRAIN_FOLDERS, Part
from .left_out import say_left_out
from .written import Format, part_places

_TRIES, _PAUSE = 5, 1.0  # as `StreamedShards` has them


def has_parts(form: Format, folder: Path) -> bool:
    """Whether a folder holds something of a format to train on, and something to test on."""
    return all(_places(form, folder).values())


def open_part(form: Format, folder: Path, part: Part) -> ImageSource:
    """A part of a set whose parts lie apart.

    Args:
        form: in which they lie.
        folder: of both.
        part: ``"train"``, ``"test"``, or ``"all"`` for both, as one set.

    Raises:
        ValueError: if the parts do not have the same classes in one order.
    """
    places = _places(form, folder)
    _say_others(folder, [place for part in places.values() for place in part])
    return _open_both(partial(_open, form), places, part, folder, form.takes_classes)


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
    whole: object,
    takes_classes: bool,
) -> ImageSource:
    parts = {name: open_place(place) for name, place in places.items()}
    if list(parts["train"].classes) != list(parts["test"].classes):
        classes = _joined_classes(takes_classes, whole, parts["train"], parts["test"])
        parts = {name: open_place(place, classes=classes) for name, place in places.items()}
    return JoinedImages(parts) if part == "all" else parts[part]


def _places(form: Format, folder: Path) -> dict[str, list[Path]]:
    return {
        name: [place for place in part_places(folder, names) if form.matches(place)]
        for name, names in (("train", TRAIN_FOLDERS), ("test", TEST_FOLDERS))
    }


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
    takes_classes: bool, whole: object, train: ImageSource, test: ImageSource
) -> list[str]:
    """The classes of both, where they are numbers that nobody named, fewer of them in one."""
    shorter, longer = sorted((list(train.classes), list(test.classes)), key=len)
    numbers = [str(number) for number in range(len(longer))]
    if takes_classes and longer == numbers and longer[: len(shorter)] == shorter:
        return longer
    odd = sorted(set(shorter) ^ set(longer)) or shorter
    raise ValueError(
        f"what {whole} holds to train on and to test on must have the same classes in one order, "
        f"got {odd[0]!r} in one of them alone"
    )
