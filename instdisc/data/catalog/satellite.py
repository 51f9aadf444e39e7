"""Satellite images: EuroSAT and RESISC45."""

from __future__ import annotations

from pathlib import Path

from ..images.folders import ImageFolder
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import first_folder, inside, require_class_folders
from .splitting import CHOICE, SPLITS, TRANSFER, part_of


def _read_eurosat(root: Path, split: str) -> ImageSource:
    folder = first_folder(inside(root, "eurosat"), ["2750", "EuroSAT_RGB"])
    return part_of(ImageFolder(require_class_folders(folder.parent, folder.name, 10)), split)


def _read_resisc45(root: Path, split: str) -> ImageSource:
    return part_of(ImageFolder(require_class_folders(root, "NWPU-RESISC45", 45)), split)


EUROSAT = CatalogEntry(
    name="eurosat",
    title="EuroSAT (RGB)",
    url="https://github.com/phelber/EuroSAT",
    terms="MIT; Sentinel-2 data under the terms of Copernicus",
    splits=SPLITS,
    labels="land use",
    num_classes=10,
    layout="""\
eurosat/2750/AnnualCrop/AnnualCrop_1.jpg      10 folders

The root may also be the folder eurosat/ itself, and 2750/ may be named EuroSAT_RGB/, as
in the later archive. torchvision.datasets.EuroSAT has the same layout.""",
    choices=CHOICE,
    reader=_read_eurosat,
    sizes={"train": 18900, "test": 8100, "all": 27000},
    transfer=TRANSFER,
)

RESISC45 = CatalogEntry(
    name="resisc45",
    title="NWPU-RESISC45",
    url="https://gcheng-nwpu.github.io/#Datasets",
    terms="research; see the URL",
    splits=SPLITS,
    labels="scene",
    num_classes=45,
    layout="""\
NWPU-RESISC45/airplane/airplane_001.jpg      45 folders""",
    choices=CHOICE
    + (
        " Of the 700 images of a class 489 are for training, not 490: int(0.7 * 700) in floating "
        "point, as published."
    ),
    reader=_read_resisc45,
    sizes={"train": 22005, "test": 9495, "all": 31500},
    transfer=TRANSFER,
)
