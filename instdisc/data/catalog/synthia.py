"""SYNTHIA-RAND-CITYSCAPES as images, and with one label for each image."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL.ImageFile import ImageFile

from ..images.decoding import open_image
from ..images.files import ImageFiles
from ..images.folders import ImageFolder
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import LayoutError, inside, require_files, require_folder

ARCHIVE = "RAND_CITYSCAPES"
NUM_IDS = 23
# By the official id: Cityscapes' groups object, human and vehicle. What is left out covers the
# ground and the background of nearly every image, or is void.
OBJECTS = {
    7: "pole",
    8: "car",
    9: "traffic sign",
    10: "pedestrian",
    11: "bicycle",
    12: "motorcycle",
    15: "traffic light",
    17: "rider",
    18: "truck",
    19: "bus",
    20: "train",
}
_BOTH = ("RGB;16B", "RGBA;16B")  # how PIL calls colours of 16 bits


def _read(root: Path, split: str) -> ImageFiles:
    folder = require_folder(inside(root, ARCHIVE), "RGB")
    images = ImageFolder(folder)
    if images.classes:
        raise LayoutError(f"RGB/ holds folders, {images.classes[0]}/ first")
    return images


def _read_largest_object(root: Path, split: str) -> ImageSource:
    images = _read(root, split)
    masks = require_folder(inside(root, ARCHIVE), "GT/LABELS")
    names = [images.path(index).name for index in range(len(images))]
    require_files(masks, names, "RGB/")
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the decoder lets other threads run
        largest = list(pool.map(_largest_object, [masks / name for name in names]))
    labels = torch.tensor(largest)
    kept = [name for name, label in zip(names, largest, strict=True) if label >= 0]
    if not kept:
        raise LayoutError("no mask in GT/LABELS/ has an object")
    return ImageFiles(
        images.path(0).parent, kept, labels[labels >= 0], classes=list(OBJECTS.values())
    )


def _largest_object(mask: Path) -> int:
    """The position in `OBJECTS` of the class of most pixels; -1 if there is none."""
    try:
        ids = _first_channel(mask)
    except ValueError as error:
        raise LayoutError(str(error).removesuffix(".")) from error
    if int(ids.max()) >= NUM_IDS:
        raise LayoutError(f"the mask {mask.name} has the unknown class {int(ids.max())}")
    pixels = np.bincount(ids.ravel(), minlength=NUM_IDS)[list(OBJECTS)]
    return int(pixels.argmax()) if pixels.any() else -1


def _first_channel(mask: Path) -> np.ndarray:
    """``(H, W)`` the first value of each pixel, of 8 or of 16 bits."""
    parts = []
    for order in ("", "L"):  # the byte that PIL keeps, and the other if there is one
        with open_image(mask, "mask") as opened:
            assert isinstance(opened, ImageFile)  # it was read from a file
            tile = opened.tile[0]
            if order and not str(tile.args).endswith(_BOTH):
                break
            if order:  # as if the lower byte came first: PIL keeps the upper of a colour
                opened.tile = [tile._replace(args=str(tile.args)[:-1] + order)]
            pixels = np.array(opened).astype(np.int64)
            parts.append(pixels if pixels.ndim == 2 else pixels[..., 0])
    return parts[0] if len(parts) == 1 else parts[0] << 8 | parts[1]


SYNTHIA = CatalogEntry(
    name="synthia",
    title="SYNTHIA-RAND-CITYSCAPES, images alone",
    url="https://synthia-dataset.net/downloads/",
    terms="non-commercial; see the URL",
    splits=("train",),
    labels="none",
    num_classes=0,
    layout="""\
RAND_CITYSCAPES/RGB/0000000.png

The root may also be the folder RAND_CITYSCAPES/ itself.""",
    choices=(
        "Zhao et al. (2021) do not say which part of SYNTHIA they use. Ours is "
        "SYNTHIA-RAND-CITYSCAPES (9,400 images), made for transfer to Cityscapes, not the video "
        "sequences, whose frames are near copies of each other."
    ),
    reader=_read,
)

SYNTHIA_LARGEST_OBJECT = replace(
    SYNTHIA,
    name="synthia_largest_object",
    folder="synthia",
    title="SYNTHIA-RAND-CITYSCAPES, the largest object class as label",
    labels="object class of most pixels",
    num_classes=len(OBJECTS),
    layout="""\
RAND_CITYSCAPES/RGB/0000000.png
RAND_CITYSCAPES/GT/LABELS/0000000.png      16 bits, the class in the first channel

The root may also be the folder RAND_CITYSCAPES/ itself.""",
    choices=SYNTHIA.choices
    + (
        " How they supervise on it is not known either. Ours is the least: one label for a whole "
        "image, the class of most pixels among poles, signs, lights, people and vehicles (11 "
        "classes); road, building, sky and the like would be the same in nearly every image. "
        "Images without any of them are left out. Every mask is read once when the set is opened, "
        "in each process, and nothing is kept."
    ),
    reader=_read_largest_object,
)
