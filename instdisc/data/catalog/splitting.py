"""The splits of sets that come without any."""

from __future__ import annotations

from ..images.source import ImageSource
from ..images.splits import split_per_class
from .layout import LayoutError

SPLITS = ("train", "test", "all")
TRANSFER = {"train": "train", "test": "test", "all": "all"}
CHOICE = (
    "There is no official split that the papers use: 'train' and 'test' are 70 % and 30 % of each "
    "class, drawn with seed 0 as Islam et al. (2021) do (split_per_class)."
)


def part_of(images: ImageSource, split: str) -> ImageSource:
    """One of `SPLITS` of a whole set.

    Raises:
        LayoutError: if a class has too few images to be split.
    """
    if split == "all":
        return images
    try:
        halves = split_per_class(images, 0.7, seed=0)
    except ValueError as error:
        raise LayoutError(str(error)) from error
    return halves.train if split == "train" else halves.test
