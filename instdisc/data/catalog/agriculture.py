"""Plants: CropDisease and DeepWeeds."""

from __future__ import annotations

from pathlib import Path

import torch

from ..images.files import ImageFiles
from ..images.joined import join_folders
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import (
    LayoutError,
    first_file,
    inside,
    read_csv,
    require_class_folders,
    require_files,
    require_folder,
)
from .splitting import CHOICE, SPLITS, TRANSFER, part_of

WEEDS = (
    *("Chinee apple", "Lantana", "Parkinsonia", "Parthenium", "Prickly acacia"),
    *("Rubber vine", "Siam weed", "Snake weed", "Negative"),
)


def _read_cropdisease(root: Path, split: str) -> ImageSource:
    root = inside(root, "dataset")
    parts = ["train", "test"] if split == "all" else [split]
    for part in parts:
        require_class_folders(root, part, 38)
    return join_folders(root, parts)


def _read_deepweeds(root: Path, split: str) -> ImageSource:
    listed_in = first_file(root, ["labels/labels.csv", "labels.csv"])
    folder = require_folder(root, "images")
    names, labels = [], []
    for line, (name, label) in read_csv(root, listed_in, ["Filename", "Label"]):
        if label not in map(str, range(len(WEEDS))):
            raise LayoutError(f"line {line} of {listed_in} has the label {label!r}, not 0 to 8")
        names.append(name)
        labels.append(int(label))
    if not names:
        raise LayoutError(f"{listed_in} lists no image")
    require_files(folder, names, listed_in)
    return part_of(ImageFiles(folder, names, torch.tensor(labels), classes=WEEDS), split)


CROPDISEASE = CatalogEntry(
    name="cropdisease",
    title="CropDisease (PlantVillage)",
    url="https://www.kaggle.com/datasets/saroz014/plant-disease",
    terms="see the URL",
    splits=SPLITS,
    labels="plant and disease",
    num_classes=38,
    layout="""\
dataset/train/Apple___Apple_scab/*.JPG      38 folders
dataset/test/Apple___Apple_scab/*.JPG

The root may also be the folder dataset/ itself.""",
    choices=(
        "The split is the archive's own, as in Islam et al. (2021); few-shot episodes take both "
        "parts, where BSCD-FSL takes 'train' alone."
    ),
    reader=_read_cropdisease,
    sizes={"train": 43456, "test": 10849, "all": 54305},
    transfer=TRANSFER,
)

DEEPWEEDS = CatalogEntry(
    name="deepweeds",
    title="DeepWeeds",
    url="https://github.com/AlexOlsen/DeepWeeds",
    terms="CC BY 4.0",
    splits=SPLITS,
    labels="weed",
    num_classes=9,
    layout="""\
images/20160928-140314-0.jpg
labels/labels.csv      Filename,Label,Species

labels.csv may also lie in the root.""",
    choices=CHOICE
    + (
        " The five official folds are not used. Half of the images are of the ninth class, "
        "'Negative'; so look at the mean accuracy of the classes too."
    ),
    reader=_read_deepweeds,
    sizes={"train": 12252, "test": 5257, "all": 17509},
    transfer=TRANSFER,
)
