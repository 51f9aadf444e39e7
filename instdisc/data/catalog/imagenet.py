"""ImageNet, and the two parts of it that pretraining is compared on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch

from ..images.files import ImageFiles
from ..images.folders import ImageFolder
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import (
    LayoutError,
    class_folders,
    contents,
    read_rows,
    require_class_folders,
    require_files,
    require_folder,
)
from .subsets import ClassSubset, StratifiedSubset

SIMCLR_LIST = "10percent.txt"


def imagenet100_classes() -> list[str]:
    """The wnids of the 100 classes, sorted; the file that lists them names its source."""
    lines = Path(__file__).with_name("imagenet100.txt").read_text(encoding="utf-8").splitlines()
    return sorted(line for line in lines if line and not line.startswith("#"))


def _read(root: Path, split: str) -> ImageSource:
    return ImageFolder(_wnid_folders(root, split))


def _read_10_percent(root: Path, split: str) -> ImageSource:
    if split == "train":
        return StratifiedSubset(_read(root, "train"), 0.1, seed=0)
    if split == "val":
        return _read(root, "val")
    folder = _wnid_folders(root, "train")
    classes = class_folders(folder)
    names = [name for (name,) in read_rows(root, SIMCLR_LIST, 1)]
    paths = [f"{name.partition('_')[0]}/{name}" for name in names]
    require_files(folder, paths, SIMCLR_LIST)
    number = {wnid: index for index, wnid in enumerate(classes)}
    labels = torch.tensor([number[path.partition("/")[0]] for path in paths])
    return ImageFiles(folder, paths, labels, classes=classes)


def _read_100(root: Path, split: str) -> ImageSource:
    folder = require_folder(root, split)
    classes = imagenet100_classes()
    missing = sorted(set(classes) - set(class_folders(folder)))
    if missing:
        raise LayoutError(
            f"{len(missing)} of the 100 class folders are missing from {split}/, {missing[0]} "
            f"first ({contents(folder, 3)})"
        )
    return ClassSubset(ImageFolder(folder), classes)


def _wnid_folders(root: Path, split: str) -> Path:
    folder = require_class_folders(root, split, 1000)
    strange = [name for name in class_folders(folder) if not re.fullmatch(r"n\d{8}", name)]
    if strange:
        raise LayoutError(f"the class folder {split}/{strange[0]}/ is not named by a wnid")
    return folder


IMAGENET = CatalogEntry(
    name="imagenet",
    title="ImageNet (ILSVRC 2012)",
    url="https://image-net.org/download-images.php",
    terms="non-commercial research and education, after registration; see the URL",
    splits=("train", "val"),
    labels="synset",
    num_classes=1000,
    layout="""\
train/n01440764/n01440764_10026.JPEG      1000 folders
val/n01440764/ILSVRC2012_val_00000293.JPEG

The archives hold an archive for each class, and val without folders:
torchvision.datasets.ImageNet(root, "train") and (root, "val") unpack and sort
them, with the devkit's archive beside them.""",
    choices="None. Classes are numbered by the sorted wnids, as everywhere.",
    reader=_read,
    transfer={"train": "train", "test": "val"},
)

IMAGENET_10_PERCENT = replace(
    IMAGENET,
    name="imagenet10pct",
    folder="imagenet",
    title="ImageNet, 10 % of the images",
    splits=("train", "train_simclr", "val"),
    layout=IMAGENET.layout
    + """

For the split "train_simclr" also:
10percent.txt      SimCLR's list, a file name in each line, from
                   https://github.com/google-research/simclr/tree/master/imagenet_subsets""",
    choices=(
        "Zhao et al. (2021) do not publish their tenth. Ours keeps a tenth of the images of each "
        "of the 1000 classes, rounded, drawn with seed 0 from the sorted file names "
        "(StratifiedSubset). 'train_simclr' is the tenth of SimCLR's list, which much of the "
        "field uses. 'val' is the whole of ImageNet's."
    ),
    reader=_read_10_percent,
)

IMAGENET_100 = replace(
    IMAGENET,
    name="imagenet100",
    folder="imagenet",
    title="ImageNet-100",
    num_classes=100,
    layout=IMAGENET.layout
    + """

Only the 100 class folders of instdisc/data/catalog/imagenet100.txt are needed.""",
    choices=(
        "Zhao et al. (2021) do not publish their 100 classes. Ours are those of Tian et al. "
        "(2020, Contrastive Multiview Coding), the list that is used most; all their images are "
        "kept. The classes are numbered by the sorted wnids."
    ),
    reader=_read_100,
)
