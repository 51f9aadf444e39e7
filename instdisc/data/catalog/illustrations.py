"""Illustrations: KaoKore and ImageNet-Sketch."""

from __future__ import annotations

from pathlib import Path

import torch

from ..images.files import ImageFiles
from ..images.folders import ImageFolder
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import (
    LayoutError,
    first_file,
    read_csv,
    require_class_folders,
    require_files,
    require_folder,
)
from .splitting import CHOICE, SPLITS, TRANSFER, part_of

GENDERS = ("male", "female")
STATUSES = ("noble", "warrior", "incarnation", "commoner")
FACES = [f"{gender} {status}" for gender in GENDERS for status in STATUSES]
KAOKORE_PARTS = {
    "train": {"train"},
    "dev": {"dev"},
    "test": {"test"},
    "train_and_test": {"train", "test"},
    "all": {"train", "dev", "test"},
}


def _read_kaokore(root: Path, split: str) -> ImageSource:
    listed_in = first_file(root, ["labels.csv", "dataset_v1.1/labels.csv"])
    folder = require_folder(root, "images_256")
    names, labels = [], []
    for line, (name, *said, part) in read_csv(
        root, listed_in, ["image", "gender", "status", "set"]
    ):
        if said[0] not in ("0", "1") or said[1] not in ("0", "1", "2", "3"):
            raise LayoutError(
                f"line {line} of {listed_in} must have a gender of 0 or 1 and a status of 0 to 3, "
                f"it has {said[0]!r} and {said[1]!r}"
            )
        if part in KAOKORE_PARTS[split]:
            names.append(name)
            labels.append(int(said[0]) * len(STATUSES) + int(said[1]))
    if not names:
        raise LayoutError(f"{listed_in} has no image for the split {split!r}")
    require_files(folder, names, listed_in)
    return ImageFiles(folder, names, torch.tensor(labels), classes=FACES)


def _read_sketch(root: Path, split: str) -> ImageSource:
    return part_of(ImageFolder(require_class_folders(root, "sketch", 1000)), split)


KAOKORE = CatalogEntry(
    name="kaokore",
    title="KaoKore 1.1",
    url="https://github.com/rois-codh/kaokore",
    terms="CC BY-SA 4.0",
    splits=tuple(KAOKORE_PARTS),
    labels="gender and status",
    num_classes=len(FACES),
    layout="""\
images_256/00001117.jpg
labels.csv      image,gender,status,set; or dataset_v1.1/labels.csv

download.py of the repository with --dataset_version 1.1 gets the images.""",
    choices=(
        "The 8 classes are those of Islam et al. (2021): 4 * gender + status. The split is the "
        "official one; 'dev' is left out, also of few-shot episodes ('train_and_test'). The "
        "images come from museums' sites: remove the rows of those that are gone."
    ),
    reader=_read_kaokore,
    sizes={"train": 6568, "dev": 826, "test": 821, "train_and_test": 7389, "all": 8215},
    transfer={"train": "train", "test": "test", "all": "train_and_test"},
)

SKETCH = CatalogEntry(
    name="imagenet_sketch",
    title="ImageNet-Sketch",
    url="https://github.com/HaohanWang/ImageNet-Sketch",
    terms="images of the web; see the URL",
    splits=SPLITS,
    labels="synset",
    num_classes=1000,
    layout="""\
sketch/n01440764/sketch_0.JPEG      1000 folders""",
    choices=CHOICE + " The classes are those of ImageNet, which most pretrainings have seen.",
    reader=_read_sketch,
    sizes={"all": 50889},
    transfer=TRANSFER,
)
