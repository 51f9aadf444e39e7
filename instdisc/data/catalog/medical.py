"""Medical images: ISIC 2018 and ChestX-ray14."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..images.files import ImageFiles
from ..images.listing import list_folder
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import LayoutError, first_file, read_csv, require_files, require_folder
from .splitting import CHOICE, SPLITS, TRANSFER, part_of

LESIONS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
FINDINGS = (
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration"),
    *("Mass", "Nodule", "Pneumothorax"),
)
ISIC_TABLE = "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"
CHEST_TABLES = ["Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"]


def _read_isic(root: Path, split: str) -> ImageSource:
    folder = require_folder(root, "ISIC2018_Task3_Training_Input")
    names, labels = [], []
    for line, (name, *said) in read_csv(root, ISIC_TABLE, ["image", *LESIONS]):
        marked = [index for index, value in enumerate(said) if value not in ("0", "0.0")]
        if len(marked) != 1:
            raise LayoutError(
                f"line {line} of the ground truth must name one of {len(LESIONS)} lesions, it "
                f"names {len(marked)}"
            )
        names.append(f"{name}.jpg")
        labels.append(marked[0])
    if not names:
        raise LayoutError("the ground truth lists no image")
    require_files(folder, names, "the ground truth")
    return part_of(ImageFiles(folder, names, torch.tensor(labels), classes=LESIONS), split)


def _read_chestx(root: Path, split: str) -> ImageSource:
    listed_in = first_file(root, CHEST_TABLES)
    places = _chest_folders(root)
    number = {finding: index for index, finding in enumerate(FINDINGS)}
    paths, labels = [], []
    seen: set[str] = set()
    for line, (name, findings) in read_csv(root, listed_in, ["Image Index", "Finding Labels"]):
        if findings not in number:
            continue
        if name not in places:
            raise LayoutError(f"the image {name} of {listed_in} is in no folder images/")
        if name in seen:
            raise LayoutError(f"line {line} of {listed_in} names the image {name} again")
        seen.add(name)
        paths.append(os.path.join(places[name], name))
        labels.append(number[findings])
    if not paths:
        raise LayoutError(f"{listed_in} lists no image with one of the {len(FINDINGS)} findings")
    return part_of(ImageFiles(root, paths, torch.tensor(labels), classes=FINDINGS), split)


def _chest_folders(root: Path) -> dict[str, str]:
    """The folder of each image: all are in one, or in 12 as the archives have them."""
    names = ["images", *(path.name for path in list_folder(root))]
    folders = [name for name in names if "images" in name]
    inner = [os.path.join(folder, "images") for folder in folders]
    present = [folder for folder in [*folders, *inner] if (root / folder).is_dir()]
    if not present:
        raise LayoutError("there is no folder images/ or images_001/images/")
    return {name: folder for folder in reversed(present) for name in os.listdir(root / folder)}


ISIC = CatalogEntry(
    name="isic",
    title="ISIC 2018, task 3",
    url="https://challenge.isic-archive.com/data/#2018",
    terms="CC BY-NC 4.0",
    splits=SPLITS,
    labels="skin lesion",
    num_classes=len(LESIONS),
    layout="""\
ISIC2018_Task3_Training_Input/ISIC_0024306.jpg
ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv""",
    choices=CHOICE
    + (
        " The images are those of the challenge's training set. Two thirds of them are of one "
        "class (NV); so look at the mean accuracy of the classes too."
    ),
    reader=_read_isic,
    sizes={"train": 7007, "test": 3008, "all": 10015},
    transfer=TRANSFER,
)

CHESTX = CatalogEntry(
    name="chestx",
    title="ChestX-ray14, images of one finding",
    url="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    terms="free use with attribution to the NIH Clinical Center; see the URL",
    splits=SPLITS,
    labels="finding",
    num_classes=len(FINDINGS),
    layout="""\
Data_Entry_2017.csv        or Data_Entry_2017_v2020.csv
images/00000001_000.png    or images_001/images/00000001_000.png to images_012/""",
    choices=CHOICE
    + (
        " Kept are the images whose only finding is one of seven, as in Islam et al. (2021) and "
        "BSCD-FSL; 'No Finding', several findings, Pneumonia and six rarer ones are left out. The "
        "draw is by image, so that a patient may be in both parts; the official lists by patient "
        "are not used. Images are read at 1024 px, where the papers resize them beforehand."
    ),
    reader=_read_chestx,
    sizes={"all": 25848},
    transfer=TRANSFER,
)
