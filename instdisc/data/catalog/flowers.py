"""Oxford's 102 flowers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..images.files import ImageFiles
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import LayoutError, inside, require_files, require_folder
from .matlab import read_mat

NUM_CLASSES = 102
PARTS = {
    "train": ("trnid",),
    "val": ("valid",),
    "trainval": ("trnid", "valid"),
    "test": ("tstid",),
    "all": ("trnid", "valid", "tstid"),
}


def _read(root: Path, split: str) -> ImageSource:
    root = inside(root, "flowers-102")
    folder = require_folder(root, "jpg")
    labels = read_mat(root, "imagelabels.mat", ["labels"])["labels"].ravel().astype(np.int64)
    ids = read_mat(root, "setid.mat", list(PARTS["all"]))
    chosen = np.concatenate([ids[part].ravel().astype(np.int64) for part in PARTS[split]])
    if not len(chosen) or chosen.min() < 1 or chosen.max() > len(labels):
        raise LayoutError(f"setid.mat must name images 1 to {len(labels)} of imagelabels.mat")
    if labels.min() < 1 or labels.max() > NUM_CLASSES:
        raise LayoutError(
            f"imagelabels.mat has the labels {labels.min()} to {labels.max()}, not 1 to 102"
        )
    names = [f"image_{number:05d}.jpg" for number in chosen.tolist()]
    require_files(folder, names, "setid.mat")
    return ImageFiles(
        folder,
        names,
        torch.from_numpy(labels[chosen - 1] - 1),
        classes=[str(number) for number in range(1, NUM_CLASSES + 1)],
    )


FLOWERS102 = CatalogEntry(
    name="flowers102",
    title="Oxford 102 Flowers",
    url="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    terms="not stated; images of the web; see the URL",
    splits=tuple(PARTS),
    labels="flower, by its official number",
    num_classes=NUM_CLASSES,
    layout="""\
flowers-102/jpg/image_00001.jpg
flowers-102/imagelabels.mat
flowers-102/setid.mat

The root may also be the folder flowers-102/ itself. torchvision.datasets.Flowers102
has the same layout.""",
    choices=(
        "The split is the official one. A transfer task trains on 'trainval', as in Islam et al. "
        "(2021), whose code notes that an earlier version had training and test swapped; few-shot "
        "episodes take all images."
    ),
    reader=_read,
    sizes={"train": 1020, "val": 1020, "trainval": 2040, "test": 6149, "all": 8189},
    transfer={"train": "trainval", "test": "test", "all": "all"},
)
