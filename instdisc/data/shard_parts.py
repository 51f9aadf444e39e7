"""Folders of tar shards for transfer tasks: one set, or its parts to train and to test on."""

from __future__ import annotations

from pathlib import Path

from .images.any_folder import is_shard_folder
from .images.listing import list_folder
from .images.shards.source import ImageShards
from .layout import TEST_FOLDERS, TRAIN_FOLDERS, Part
from .left_out import say_left_out


def part_folders(folder: Path) -> tuple[Path, Path] | None:
    """The folders to train and to test on in a folder; ``None`` if not both are there."""
    inner = {path.name.lower(): path for path in list_folder(folder) if path.is_dir()}
    train = [inner[name] for name in TRAIN_FOLDERS if name in inner]
    test = [inner[name] for name in TEST_FOLDERS if name in inner]
    return (train[0], test[0]) if train and test else None


def holds_shard_parts(folder: Path) -> bool:
    """Whether there are folders to train and to test on, and both hold tars and no images."""
    parts = part_folders(folder)
    return parts is not None and all(map(is_shard_folder, parts))


def open_shard_part(folder: Path, part: Part) -> ImageShards:
    """A part of a set whose parts are folders of shards.

    Args:
        folder: holds the parts.
        part: ``"train"``, ``"test"``, or ``"all"`` for both, as one set.

    Raises:
        ValueError: if the parts do not have the same classes.
    """
    folders = part_folders(folder)
    assert folders is not None
    others = sorted({path for path in list_folder(folder) if path.is_dir()}.difference(folders))
    say_left_out(
        range(len(others)),
        f"{folder}: %d folders are neither to train on nor to test on and are left out, first: ",
        lambda row: f"{others[row].name}/",
    )
    train, test = map(ImageShards, folders)
    classes = _joined_classes(folder, train, test)
    if part == "all":
        files = [one.root / name for one in (train, test) for name in one.shards]
        return ImageShards(files, classes=classes, name=folder.name)
    images = train if part == "train" else test
    if images.classes == classes:
        return images
    return ImageShards(images.root, classes=classes, name=images.name)


def _joined_classes(folder: Path, train: ImageShards, test: ImageShards) -> list[str]:
    """The classes of both; numbers that nobody named may be fewer in one."""
    if train.classes == test.classes:
        return list(train.classes)
    shorter, longer = sorted((list(train.classes), list(test.classes)), key=len)
    if longer[: len(shorter)] == shorter and longer == [str(i) for i in range(len(longer))]:
        return longer
    odd = sorted(set(shorter) ^ set(longer)) or shorter
    raise ValueError(
        f"{train.root.name}/ and {test.root.name}/ of {folder} must have the same classes in one "
        f"order, got {odd[0]!r} in one of them alone. A classes.txt in both names all."
    )
