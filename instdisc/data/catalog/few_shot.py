"""Sets whose splits have different classes: mini-ImageNet and tiered-ImageNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..images.arrays import ImageArray
from ..images.files import ImageFiles
from ..images.folders import ImageFolder
from ..images.source import ImageSource, no_labels
from ..images.splits import split_per_class
from .entry import CatalogEntry
from .layout import (
    LayoutError,
    class_folders,
    first_file,
    read_csv,
    require_class_folders,
    require_files,
    require_folder,
)
from .pickles import read_pickle
from .subsets import ClassSubset

MINI_CLASSES = {"train": 64, "val": 16, "test": 20}
_BASE_SHARE = 5 / 6  # of the 600 images of a base class: 500 to train


def tiered_classes() -> dict[str, list[str]]:
    """The wnids of each split, sorted; the file that lists them names its source."""
    wnids: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    text = Path(__file__).with_name("tiered_imagenet.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            split, wnid = line.split()
            wnids[split].append(wnid)
    return {split: sorted(names) for split, names in wnids.items()}


def _read_mini(root: Path, split: str) -> ImageSource:
    if split.startswith("base_"):
        base = split_per_class(_read_mini(root, "train"), _BASE_SHARE)
        return base.train if split == "base_train" else base.test
    cached = f"mini-imagenet-cache-{split}.pkl"
    if first_file(root, [f"{split}.csv", cached]) == cached:
        images: ImageSource = _read_cached(root, cached)
    else:
        folder = require_folder(root, "images")
        rows = [row for _, row in read_csv(root, f"{split}.csv", ["filename", "label"])]
        names = [name for name, _ in rows]
        require_files(folder, names, f"{split}.csv")
        if not rows:
            raise LayoutError(f"{split}.csv lists no image")
        classes = sorted({wnid for _, wnid in rows})
        labels = torch.tensor([classes.index(wnid) for _, wnid in rows])
        images = ImageFiles(folder, names, labels, classes=classes)
    if len(images.classes) != MINI_CLASSES[split]:
        raise LayoutError(
            f"the split {split!r} has {len(images.classes)} classes instead of "
            f"{MINI_CLASSES[split]}: another split than Ravi and Larochelle's"
        )
    return images


def _read_cached(root: Path, file: str) -> ImageArray:
    content = read_pickle(root, file)
    missing = {"image_data", "class_dict"} - set(content)
    if missing:
        raise LayoutError(f"{file} has no entry {min(missing)!r}")
    pixels = np.asarray(content["image_data"])
    classes = sorted(content["class_dict"])
    labels = no_labels(len(pixels))
    for label, name in enumerate(classes):
        labels[torch.as_tensor(content["class_dict"][name])] = label
    if pixels.ndim != 4 or pixels.shape[3] != 3 or int(labels.min()) < 0:
        raise LayoutError(f"image_data of {file} is {pixels.shape}, or has images of no class")
    return ImageArray(
        torch.from_numpy(pixels).permute(0, 3, 1, 2),
        labels,
        classes=classes,
        name="mini_imagenet",
        names=[f"{file}/{index}" for index in range(len(pixels))],
    )


def _read_tiered(root: Path, split: str) -> ImageSource:
    classes = tiered_classes()[split]
    if (root / "train").is_dir() and len(class_folders(root / "train")) != 1000:
        folder = require_class_folders(root, split, len(classes))
    else:
        folder = require_folder(root, "train")
    missing = sorted(set(classes) - set(class_folders(folder)))
    if missing:
        raise LayoutError(
            f"{len(missing)} of the {len(classes)} class folders of the split {split!r} are "
            f"missing from {folder.name}/, {missing[0]} first"
        )
    return ClassSubset(ImageFolder(folder), classes)


MINI_IMAGENET = CatalogEntry(
    name="mini_imagenet",
    title="mini-ImageNet",
    url="https://github.com/twitter-research/meta-learning-lstm",
    terms="those of ImageNet: non-commercial research and education",
    splits=("train", "val", "test", "base_train", "base_val"),
    labels="synset; 'train', 'val' and 'test' have different ones",
    num_classes=64,
    layout="""\
images/n0153282900000005.jpg
train.csv      filename,label; also val.csv, test.csv

or, as Ren et al. (2018) hand it out, at 84 px:
mini-imagenet-cache-train.pkl      also -val.pkl, -test.pkl""",
    choices=(
        "The classes are split as by Ravi and Larochelle (2017): 64 to train, 16 val, 20 test, of "
        "600 images each. Few-shot episodes take 'test', whose classes are new. Zhao et al. (2021) "
        "also split the images of the 64 classes, to measure what a network knows of them; how is "
        "not known. Ours: 'base_train' has 500 of each class and 'base_val' the other 100, drawn "
        "with seed 0 (split_per_class). Of the two layouts the first that is there is read; the "
        "second is what Islam et al. (2021) enlarge from 84 px, is kept in memory (815 MB for "
        "'train') and read without running code from it."
    ),
    reader=_read_mini,
    sizes={
        **{"train": 38400, "val": 9600, "test": 12000},
        **{"base_train": 32000, "base_val": 6400},
    },
    transfer={"all": "test"},
)

TIERED_IMAGENET = CatalogEntry(
    name="tiered_imagenet",
    title="tiered-ImageNet",
    url="https://github.com/renmengye/few-shot-ssl-public",
    terms="those of ImageNet: non-commercial research and education",
    splits=("train", "val", "test"),
    labels="synset; the splits have different ones",
    num_classes=351,
    layout="""\
train/n01440764/n01440764_10026.JPEG      ImageNet's own 1000 folders of train/

or sorted by split:
train/n01530575/*.jpg      351 folders
val/n02099267/*.jpg        97
test/n03314780/*.jpg       160""",
    choices=(
        "The classes of each split are those of Ren et al. (2018), listed in "
        "instdisc/data/catalog/tiered_imagenet.txt. All three are parts of ImageNet's training "
        "images, so that ImageNet's folder serves, at full size. Their own archive, pickled at 84 "
        "px, is not read. Few-shot episodes take 'test', whose classes are new."
    ),
    reader=_read_tiered,
    sizes={"train": 448695, "val": 124261, "test": 206209},
    transfer={"all": "test"},
)
