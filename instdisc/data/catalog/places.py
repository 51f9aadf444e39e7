"""Places365."""

from __future__ import annotations

from pathlib import Path

from ..images.folders import ImageFolder
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import require_class_folders


def _read(root: Path, split: str) -> ImageSource:
    return ImageFolder(require_class_folders(root, split, 365))


PLACES365 = CatalogEntry(
    name="places365",
    title="Places365-Standard",
    url="http://places2.csail.mit.edu/download.html",
    terms="non-commercial research and education; see the URL",
    splits=("train", "val"),
    labels="scene",
    num_classes=365,
    layout="""\
train/airfield/00000001.jpg      365 folders
val/airfield/Places365_val_00000435.jpg""",
    choices=(
        "Zhao et al. (2021) write Places and do not say which release. Ours is Places365-Standard "
        "(1,803,460 images for training), not Places205: it is the later release, and closer in "
        "size to ImageNet. Of its archives we take those of the 'easy directory structure', where "
        "a class is one folder."
    ),
    reader=_read,
    transfer={"train": "train", "test": "val"},
)
