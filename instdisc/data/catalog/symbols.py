"""Characters and digits: Omniglot and SVHN."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..images.arrays import ImageArray
from ..images.files import ImageFiles
from ..images.listing import list_folder
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import LayoutError, class_folders, inside, require_folder
from .matlab import read_mat
from .splitting import CHOICE, SPLITS, TRANSFER, part_of

SVHN_PARTS = {
    "train": ("train",),
    "test": ("test",),
    "extra": ("extra",),
    "all": ("train", "test"),
}


def _read_omniglot(root: Path, split: str) -> ImageSource:
    images = _characters(root, "images_evaluation")
    if len(images.classes) != 659:
        raise LayoutError(f"images_evaluation/ holds {len(images.classes)} characters, not 659")
    return part_of(images, split)


def _read_background(root: Path, split: str) -> ImageSource:
    return part_of(_characters(root, "images_background"), split)


def _characters(root: Path, name: str) -> ImageFiles:
    folder = require_folder(inside(root, "omniglot-py"), name)
    classes = [
        os.path.join(alphabet, character)
        for alphabet in class_folders(folder)
        for character in class_folders(folder / alphabet)
    ]
    paths, labels = [], []
    for label, character in enumerate(classes):
        files = [path.name for path in list_folder(folder / character) if path.suffix == ".png"]
        if not files:
            raise LayoutError(f"{name}/{character}/ holds no image")
        paths += [os.path.join(character, file) for file in files]
        labels += [label] * len(files)
    if not paths:
        raise LayoutError(f"{name}/ holds no folder ALPHABET/CHARACTER/")
    classes = [character.replace(os.sep, "/") for character in classes]
    return ImageFiles(folder, paths, torch.tensor(labels), classes=classes)


def _read_svhn(root: Path, split: str) -> ImageSource:
    pixels, digits, names = [], [], []
    for part in SVHN_PARTS[split]:
        file = f"{part}_32x32.mat"
        read = read_mat(root, file, ["X", "y"])
        images, labels = read["X"], read["y"].ravel().astype(np.int64)
        if images.shape[:3] != (32, 32, 3) or images.shape[3:] != labels.shape:
            raise LayoutError(f"X of {file} is {images.shape} for {len(labels)} labels")
        if not len(labels) or labels.min() < 1 or labels.max() > 10:
            raise LayoutError(f"{file} must have labels in 1 to 10")
        pixels.append(torch.from_numpy(np.ascontiguousarray(images.transpose(3, 2, 0, 1))))
        digits.append(torch.from_numpy(labels % 10))  # 10 is the digit 0
        names += [f"{file}/{index}" for index in range(len(labels))]
    return ImageArray(
        torch.cat(pixels),
        torch.cat(digits),
        classes=list("0123456789"),
        name="svhn",
        names=names,
    )


OMNIGLOT = CatalogEntry(
    name="omniglot",
    title="Omniglot, evaluation half",
    url="https://github.com/brendenlake/omniglot",
    terms="MIT",
    splits=SPLITS,
    labels="character of an alphabet",
    num_classes=659,
    layout="""\
omniglot-py/images_evaluation/Angelic/character01/0965_01.png      20 alphabets

The root may also be the folder omniglot-py/ itself. torchvision.datasets.Omniglot has
the same layout.""",
    choices=CHOICE
    + (
        " As there, only the evaluation half (torchvision's background=False) is used: 659 "
        "characters of 20 images, so that an episode has at most 5 shots beside 15 queries. Their "
        "draw takes the characters in the order in which the file system lists them, which is not "
        "published; ours takes them sorted."
    ),
    reader=_read_omniglot,
    sizes={"train": 9226, "test": 3954, "all": 13180},
    transfer=TRANSFER,
)

OMNIGLOT_BACKGROUND = replace(
    OMNIGLOT,
    name="omniglot_background",
    title="Omniglot, background half",
    num_classes=964,
    layout="""\
omniglot-py/images_background/Greek/character01/0394_01.png      30 alphabets

The root may also be the folder omniglot-py/ itself. torchvision.datasets.Omniglot has
the same layout.""",
    choices=CHOICE
    + (
        " That is for the other half of Omniglot; this one neither paper uses. Fewer alphabets "
        "than all are read too, because parts of this half go round."
    ),
    reader=_read_background,
    sizes={"train": 13496, "test": 5784, "all": 19280},
    folder="omniglot",
)

SVHN = CatalogEntry(
    name="svhn",
    title="Street View House Numbers, cropped digits",
    url="http://ufldl.stanford.edu/housenumbers/",
    terms="non-commercial; see the URL",
    splits=tuple(SVHN_PARTS),
    labels="digit",
    num_classes=10,
    layout="""\
train_32x32.mat      73,257 images
test_32x32.mat       26,032
extra_32x32.mat      531,131, for the split "extra"

torchvision.datasets.SVHN has the same layout.""",
    choices=(
        "The split is the official one; 'all' is both of its parts without 'extra'. The label 10 "
        "of the files is the digit 0. All images of a split are kept in memory (220 MB for "
        "'train', 1.6 GB for 'extra')."
    ),
    reader=_read_svhn,
    sizes={"train": 73257, "test": 26032, "extra": 531131, "all": 99289},
    transfer=TRANSFER,
)
