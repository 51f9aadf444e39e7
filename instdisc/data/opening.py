"""One place that turns what a user writes into a set of images."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from instdisc import checks
from instdisc.checks import choice, refuse

from .catalog import CATALOG, CatalogImages
from .file_formats import FORMATS, Format
from .format_parts import format_place, has_parts, open_part, open_stored_part
from .images.address import as_address, without_secrets
from .images.columns import column_names
from .images.folders import ImageFolder
from .images.holding import holds_image
from .images.joined import join_folders
from .images.listing import list_folder, matching
from .images.source import ImageSource, ImageSubset
from .images.splits import say_drawn, split_per_class
from .images.stores.source import StreamedShards
from .images.tables import ImageTable
from .layout import TEST_FOLDERS, TRAIN_FOLDERS, Layout, open_by_layout
from .left_out import say_left_out
from .parts import split_value
from .scenes import Scenes

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
    ``mine=/data/my_images``      a table or folder that records call ``mine``
    ``my_shards``, ``my_arrow``,  a folder of tar shards or of Hugging Face's ``save_to_disk``,
    ``x.parquet``, ``x.lmdb``     Parquet, an LMDB (see `FORMATS`), or a folder with such for
                                  ``train`` and ``test``, also in ``data`` below it
    ``s3://bucket/my_shards``     tar shards at an address (`StreamedShards`), or a folder with such
                                  for ``train`` and ``test``
    ``scenes``                    `Scenes` of 64 px: 2,000 generated images to train, 600 to test
    ============================  ================================================================

    A table with a column ``split`` is split by it. Tables and folders without a split
    get 70 % and 30 % of each class (`split_per_class`), with one line in the log.

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
    checks.arguments(open_images, locals())
    choice("part", part, ("all", "train", "test"))
    key = str(name).partition("=")[0]
    if key in CATALOG and not CATALOG[key].transfer:
        refuse("name", "a set of transfer tasks", name, f"{key!r} is for pretraining.")
    images = open_by_layout(name, root, part=part, layouts=LAYOUTS)
    _check_labels(images)
    return images


def has_other_signs(folder: Path) -> bool:
    """Whether a folder has files that only a set of objects, masks or landmarks has."""
    inner = {entry.name.lower() for entry in list_folder(folder) if entry.is_dir()}
    # Beside a folder that is called so lie no class folders, but masks or other annotations.
    beside_images = len(inner) > 1 and not inner.isdisjoint(_IMAGE_FOLDERS)
    return beside_images or any(matching(folder, sign) for sign in _SIGNS)


# What only a set of objects, of masks, of landmarks has.
_SIGNS = (
    *("Annotations/", "PedMasks/", "annotations/*.json", "*/_annotations.coco.json"),
    *("masks/", "*/masks/", "*annot/", "gtFine/", "SegmentationClass/"),
    *("*_keypoints.csv", "list_landmarks_*.txt"),
)
_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages", "pngimages")


def _open_entry(key: str, path: Path, part: Part) -> ImageSource:
    splits = CATALOG[key].transfer
    if part not in splits:
        raise ValueError(
            f"`part` {part!r} is not there for {key!r}, which has "
            f"{', '.join(map(repr, splits))} alone"
        )
    return CatalogImages(key, path, split=splits[part])


def _open_scenes(path: Path, part: Part) -> ImageSource:
    if part == "test":
        return Scenes(600, split="test")
    return Scenes(2000)


def _open_table(path: Path, part: Part) -> ImageSource:
    chosen = None if part == "all" else split_value(path, part)
    if chosen is not None:
        return ImageTable(None, path, only=("split", chosen))
    return _part_of(ImageTable(None, path), part, path)


def _open_folder(path: Path, part: Part) -> ImageSource:
    inner = {entry.name.lower(): entry.name for entry in list_folder(path) if entry.is_dir()}
    train = [inner[name] for name in TRAIN_FOLDERS if name in inner]
    test = [inner[name] for name in TEST_FOLDERS if name in inner]
    if not (train and test):
        return _part_of(ImageFolder(path), part, path)
    others = sorted(set(inner.values()) - {train[0], test[0]})
    say_left_out(
        range(len(others)),
        f"{path}: %d folders are neither to train on nor to test on and are left out, first: ",
        lambda row: f"{others[row]}/",
    )
    both = join_folders(path, [train[0], test[0]])
    if part == "all":
        return both
    start = (train[0] if part == "train" else test[0]) + os.sep
    chosen = [index for index, name in enumerate(both.paths) if name.startswith(start)]
    return ImageSubset(both, torch.tensor(chosen))


def _open_format(form: Format, path: Path, part: Part) -> ImageSource:
    place = format_place(form, path) or path
    if has_parts(form, place):
        return open_part(form, place, part)
    return _part_of(form.open(place), part, path)


def _open_address(path: Path, part: Part) -> ImageSource:
    address = as_address(path)
    assert address is not None
    images = open_stored_part(address, part)
    return _part_of(StreamedShards(address), part, path) if images is None else images


def _is_address(path: Path) -> bool:
    return as_address(path) is not None


def _is_format(form: Format, path: Path) -> bool:
    return format_place(form, path) is not None


def _part_of(images: ImageSource, part: Part, path: Path) -> ImageSource:
    _check_labels(images)
    if part == "all":
        return images
    split = split_per_class(images)
    say_drawn(without_secrets(as_address(path) or path), len(split.train), len(split.test))
    return split.train if part == "train" else split.test


def _check_labels(images: ImageSource) -> None:
    if (images.labels < 0).any():
        raise ValueError(
            f"{int((images.labels < 0).sum())} of the {len(images)} images of {images.name!r} "
            "have no label, which a transfer task needs. Sort them into class folders or list "
            "them in a .csv file."
        )
    if bool((images.labels == images.labels[:1]).all()):
        raise ValueError(
            f"all {len(images)} images of {images.name!r} are of one class, "
            f"{images.classes[int(images.labels[0])]!r}; a transfer task needs two"
        )


def _is_table(path: Path) -> bool:
    if not path.is_file() or path.suffix.lower() not in (".csv", ".tsv"):
        return False
    return "label" in column_names(path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not has_other_signs(path) and holds_image(path)


LAYOUTS: list[Layout] = [
    *(
        Layout("images", key, partial(_open_entry, key), folder=entry.folder or key)
        for key, entry in CATALOG.items()
        if entry.transfer
    ),
    Layout("images", "scenes", _open_scenes),
    Layout("images", "a table (.csv, .tsv) with a column 'label'", _open_table, _is_table),
    Layout("images", "tar shards at an address, as s3://", _open_address, _is_address),
    *(
        Layout("images", form.name, partial(_open_format, form), partial(_is_format, form))
        for form in FORMATS
    ),
    Layout("images", "a folder with class folders of images", _open_folder, _is_folder),
]
