"""One place that turns what a user writes into a set of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import torch

from .catalog import CATALOG, CatalogImages
from .images.folders import ImageFolder
from .images.joined import join_folders
from .images.source import ImageSource, ImageSubset
from .images.splits import split_per_class
from .images.tables import ImageTable, column_names

TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("test", "testing", "val", "valid", "validation")
Part = Literal["all", "train", "test"]


def open_images(name: str | Path, root: str | Path | None = None, *, part: Part) -> ImageSource:
    """The images of a transfer task, by what a command line says.

    ============================  ================================================================
    `name`                        what it is
    ============================  ================================================================
    ``eurosat``                   a set of the catalog, in the folder of that name below `root`
    ``eurosat=/data/EuroSAT``     the same in the folder that is named
    ``flowers.csv``, ``.tsv``     a table with the columns ``image`` and ``label`` (`ImageTable`)
    ``my_images``                 a folder with class folders (`ImageFolder`), or with such folders
                                  in ``train`` and ``test`` (or ``val``)
    ============================  ================================================================

    A table with a column ``split`` is split by it. Tables and folders that say nothing of a split
    get 70 % and 30 % of each class (`split_per_class`).

    Args:
        name: see above; a relative path is looked for below `root` first.
        root: the folder that holds the sets; ``None`` for the working folder.
        part: ``"train"``, ``"test"``, or ``"all"`` for few-shot episodes.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: if `part` is unknown or the set does not have it, its files lie in another
            layout, an image has no label, or all are of one class.

    Example:
        >>> open_images("eurosat", "/no/such/folder", part="train")
        Traceback (most recent call last):
        FileNotFoundError: `root` must be the folder of EuroSAT (RGB), got ...
    """
    if part not in ("all", "train", "test"):
        raise ValueError(f"`part` must be 'all', 'train' or 'test', got {part!r}")
    key, given, place = str(name).partition("=")
    base = Path() if root is None else Path(root)
    if key in CATALOG:
        images = _open_entry(key, Path(place) if given else base / _folder_of(key), part)
    else:
        path = base / name if (base / name).exists() else Path(name)
        if path.suffix.lower() in (".csv", ".tsv") and path.is_file():
            images = _open_table(path, part)
        elif path.is_dir():
            images = _open_folder(path, part)
        else:
            raise FileNotFoundError(
                "`name` must be a set of the catalog, a folder or a .csv file, got "
                f"{str(name)!r}, which is not in {base.resolve()}. The catalog has "
                f"{', '.join(CATALOG)}."
            )
        images.name = path.resolve().stem if path.is_file() else path.resolve().name
    _check_labels(images)
    return images


def _folder_of(key: str) -> str:
    return CATALOG[key].folder or key


def _open_entry(key: str, root: Path, part: Part) -> ImageSource:
    splits = CATALOG[key].transfer
    if part not in splits:
        has = f"has {', '.join(map(repr, splits))} alone" if splits else "is for pretraining"
        raise ValueError(f"`part` {part!r} is not there for {key!r}, which {has}")
    return CatalogImages(key, root, split=splits[part])


def _open_table(path: Path, part: Part) -> ImageSource:
    if part != "all" and "split" in column_names(path):
        return ImageTable(None, path, only=("split", part))
    return _part_of(ImageTable(None, path), part)


def _open_folder(path: Path, part: Part) -> ImageSource:
    inner = {entry.name.lower(): entry.name for entry in sorted(path.iterdir()) if entry.is_dir()}
    train = [inner[name] for name in TRAIN_FOLDERS if name in inner]
    test = [inner[name] for name in TEST_FOLDERS if name in inner]
    if not (train and test):
        return _part_of(ImageFolder(path), part)
    both = join_folders(path, [train[0], test[0]])
    if part == "all":
        return both
    start = (train[0] if part == "train" else test[0]) + os.sep
    chosen = [index for index, name in enumerate(both.paths) if name.startswith(start)]
    return ImageSubset(both, torch.tensor(chosen))


def _part_of(images: ImageSource, part: Part) -> ImageSource:
    _check_labels(images)
    if part == "all":
        return images
    split = split_per_class(images)
    return split.train if part == "train" else split.test


def _check_labels(images: ImageSource) -> None:
    if (images.labels < 0).any():
        raise ValueError(
            f"{int((images.labels < 0).sum())} of the {len(images)} images of {images.name!r} "
            "have no label, which a transfer task needs. Sort them into class folders or list "
            "them in a .csv file."
        )
    present = images.labels.unique().tolist()
    if len(present) < 2:
        raise ValueError(
            f"all {len(images)} images of {images.name!r} are of one class, "
            f"{images.classes[present[0]]!r}; a transfer task needs two"
        )
