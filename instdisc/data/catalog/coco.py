"""COCO 2017 as images, and with one label for each image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..images.files import ImageFiles
from ..images.folders import ImageFolder
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import LayoutError, require_files, require_folder


def _read(root: Path, split: str) -> ImageSource:
    folder = require_folder(root, f"{split}2017")
    images = ImageFolder(folder)
    if images.classes:
        raise LayoutError(f"{folder.name}/ holds folders, {images.classes[0]}/ first")
    return images


def _read_largest_box(root: Path, split: str) -> ImageSource:
    folder = require_folder(root, f"{split}2017")
    listed_in = f"annotations/instances_{split}2017.json"
    annotated = _read_json(root, listed_in)
    try:
        names = {image["id"]: image["file_name"] for image in annotated["images"]}
        categories = {entry["id"]: entry["name"] for entry in annotated["categories"]}
        largest: dict[int, tuple[float, int]] = {}
        for box in annotated["annotations"]:
            area = box["bbox"][2] * box["bbox"][3]
            if area > largest.get(box["image_id"], (0, 0))[0] and not box["iscrowd"]:
                largest[box["image_id"]] = (area, box["category_id"])
        number = {identity: index for index, identity in enumerate(sorted(categories))}
        kept = sorted(largest, key=names.__getitem__)
        labels = torch.tensor([number[largest[image][1]] for image in kept], dtype=torch.int64)
    except (KeyError, TypeError, IndexError) as error:
        raise LayoutError(f"{listed_in} is not COCO's: {error!r}") from error
    if not kept:
        raise LayoutError(f"{listed_in} has no box")
    paths = [names[image] for image in kept]
    require_files(folder, paths, listed_in)
    return ImageFiles(folder, paths, labels, classes=[categories[i] for i in sorted(categories)])


def _read_json(root: Path, name: str) -> dict[str, Any]:
    if not (root / name).is_file():
        raise LayoutError(f"there is no file {name}")
    try:
        read: dict[str, Any] = json.loads((root / name).read_bytes())
    except ValueError as error:
        raise LayoutError(f"{name} is not JSON: {error}") from error
    return read


COCO = CatalogEntry(
    name="coco",
    title="COCO 2017, images alone",
    url="https://cocodataset.org/#download",
    terms="annotations CC BY 4.0; images under the terms of Flickr; see the URL",
    splits=("train", "val"),
    labels="none",
    num_classes=0,
    layout="""\
train2017/000000000009.jpg
val2017/000000000139.jpg""",
    choices="Whole images of train2017 (118,287); the annotations are not read.",
    reader=_read,
)

COCO_LARGEST_BOX = replace(
    COCO,
    name="coco_largest_box",
    folder="coco",
    title="COCO 2017, the largest box as label",
    labels="category of the largest box",
    num_classes=80,
    layout="""\
train2017/000000000009.jpg
val2017/000000000139.jpg
annotations/instances_train2017.json
annotations/instances_val2017.json""",
    choices=(
        "How Zhao et al. (2021) supervise on COCO is not known. Ours is the least: one label for "
        "a whole image, the category of its box with the largest area, the first of equals; "
        "regions marked as crowds do not count. Images without a box are left out, because "
        "supervised methods need every label. The 80 categories are numbered by their sorted ids."
    ),
    reader=_read_largest_box,
)
