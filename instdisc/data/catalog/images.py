"""The sets by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from instdisc import checks

from ..images.source import ImageSubset
from .agriculture import CROPDISEASE, DEEPWEEDS
from .celeba import CELEBA
from .cifar import CIFAR10, CIFAR100
from .coco import COCO, COCO_LARGEST_BOX
from .entry import CatalogEntry
from .few_shot import MINI_IMAGENET, TIERED_IMAGENET
from .flowers import FLOWERS102
from .illustrations import KAOKORE, SKETCH
from .imagenet import IMAGENET, IMAGENET_10_PERCENT, IMAGENET_100
from .medical import CHESTX, ISIC
from .places import PLACES365
from .satellite import EUROSAT, RESISC45
from .symbols import OMNIGLOT, OMNIGLOT_BACKGROUND, SVHN
from .synthia import SYNTHIA, SYNTHIA_LARGEST_OBJECT
from .textures import DTD

_ENTRIES = (
    *(IMAGENET, IMAGENET_10_PERCENT, IMAGENET_100, PLACES365, CELEBA),
    *(COCO, COCO_LARGEST_BOX, SYNTHIA, SYNTHIA_LARGEST_OBJECT),
    *(CROPDISEASE, DEEPWEEDS, FLOWERS102, EUROSAT, RESISC45, ISIC, CHESTX),
    *(DTD, OMNIGLOT, SVHN, KAOKORE, SKETCH),
    *(OMNIGLOT_BACKGROUND, MINI_IMAGENET, TIERED_IMAGENET, CIFAR10, CIFAR100),
)
CATALOG: dict[str, CatalogEntry] = {entry.name: entry for entry in _ENTRIES}
# The twelve that Islam et al. (2021) transfer to.
TRANSFER_SETS = (
    *("cropdisease", "deepweeds", "flowers102", "eurosat", "resisc45", "isic", "chestx"),
    *("dtd", "omniglot", "svhn", "kaokore", "imagenet_sketch"),
)


class CatalogImages(ImageSubset):
    """A split of a set of the catalog, read from its official layout on disk.

    Args:
        name: a name in `CATALOG`; its entry says where the set comes from and how it must lie.
        root: the folder that holds it. Nothing is downloaded.
        split: one of the entry's splits.
        on_unreadable: what to do at an image that cannot be decoded; see `ImageFolder`.

    Attributes:
        entry: what the catalog knows of the set.
        images: the source that reads the files.

    Raises:
        ValueError: if there is no such set or split, or the folder has another layout: then it
            says what was expected, what was found, and where the set comes from.
        FileNotFoundError: if `root` is not a folder.

    Example:
        >>> CatalogImages("imagenet200", "IMAGENET")
        Traceback (most recent call last):
        ValueError: `name` must be one of imagenet, imagenet10pct, ..., got 'imagenet200'
    """

    def __init__(
        self,
        name: str,
        root: str | Path,
        *,
        split: str = "train",
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(CatalogImages.__init__, locals())
        if name not in CATALOG:
            raise ValueError(f"`name` must be one of {', '.join(CATALOG)}, got {name!r}")
        self.entry = CATALOG[name]
        images = self.entry.open(root, split)
        super().__init__(images, torch.arange(len(images)))
        self.name = name
        self.split = split
        self.on_unreadable = on_unreadable
