"""The Describable Textures Dataset."""

from __future__ import annotations

from pathlib import Path

import torch

from ..images.files import ImageFiles
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import LayoutError, inside, read_rows, require_class_folders, require_files
from .layout import class_folders as folders_in

PARTS = {
    "train": ("train1",),
    "val": ("val1",),
    "trainval": ("train1", "val1"),
    "test": ("test1",),
    "all": ("train1", "val1", "test1"),
}


def _read(root: Path, split: str) -> ImageSource:
    root = inside(inside(root, "dtd"), "dtd")
    folder = require_class_folders(root, "images", 47)
    classes = folders_in(folder)
    paths = []
    for part in PARTS[split]:
        listed_in = f"labels/{part}.txt"
        paths += [path for (path,) in read_rows(root, listed_in, 1)]
        require_files(folder, paths, listed_in)
    if not paths:
        raise LayoutError(f"{listed_in} lists no image")
    labels = torch.tensor([classes.index(path.partition("/")[0]) for path in paths])
    return ImageFiles(folder, paths, labels, classes=classes)


DTD = CatalogEntry(
    name="dtd",
    title="Describable Textures Dataset",
    url="https://www.robots.ox.ac.uk/~vgg/data/dtd/",
    terms="research; see the URL",
    splits=tuple(PARTS),
    labels="texture",
    num_classes=47,
    layout="""\
dtd/images/banded/banded_0002.jpg      47 folders
dtd/labels/train1.txt                  banded/banded_0002.jpg; also val1.txt, test1.txt

The root may also be the folder dtd/ itself, or hold dtd/dtd/ as that of
torchvision.datasets.DTD does.""",
    choices=(
        "The split is the first of the ten official ones. A transfer task trains on 'trainval', "
        "as in Islam et al. (2021); few-shot episodes take all images."
    ),
    reader=_read,
    sizes={"train": 1880, "val": 1880, "trainval": 3760, "test": 1880, "all": 5640},
    transfer={"train": "trainval", "test": "test", "all": "all"},
)
