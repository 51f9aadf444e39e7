"""The parts of a set that lies in one of `FORMATS`: all in one place, or apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .images.joined import JoinedImages
from .images.listing import list_folder
from .images.source import ImageSource
from .layout import TEST_FOLDERS, TRAIN_FOLDERS, Part
from .left_out import say_left_out
from .written import Format, part_places


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
    parts = {name: _open(form, paths) for name, paths in places.items()}
    if list(parts["train"].classes) != list(parts["test"].classes):
        classes = _joined_classes(form, folder, parts["train"], parts["test"])
        parts = {name: _open(form, paths, classes=classes) for name, paths in places.items()}
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


def _joined_classes(form: Format, folder: Path, train: ImageSource, test: ImageSource) -> list[str]:
    """The classes of both, where they are numbers that nobody named, fewer of them in one."""
    shorter, longer = sorted((list(train.classes), list(test.classes)), key=len)
    numbers = [str(number) for number in range(len(longer))]
    if form.takes_classes and longer == numbers and longer[: len(shorter)] == shorter:
        return longer
    odd = sorted(set(shorter) ^ set(longer)) or shorter
    raise ValueError(
        f"what {folder} holds to train on and to test on must have the same classes in one order, "
        f"got {odd[0]!r} in one of them alone"
    )
