"""CelebA and its subset MAFL with five points."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from instdisc import checks

from ..catalog import CATALOG
from ..catalog.celeba import MAFL_TEST, PARTITIONS, split_names
from ..catalog.layout import (
    LayoutError,
    contents,
    inside,
    numbered_lines,
    read_pairs,
    read_rows,
    require_files,
    require_folder,
)
from .layouts import FACE_5
from .source import LandmarkFiles

MAFL_TRAIN = "MAFL/training.txt"
MAFL_SPLITS = ("mafl_train", "mafl_test")
_CELEBA = CATALOG["celeba"]
_LAYOUT = f"""{_CELEBA.layout}

Landmarks:
celeba/list_landmarks_align_celeba.txt   202599
                                         lefteye_x lefteye_y righteye_x righteye_y nose_x ...
                                         000001.jpg 69 109 106 113 77 142 73 152 108 154

The splits "mafl_..." also:
celeba/MAFL/training.txt                 beside testing.txt, likewise

With aligned=False, in place of img_align_celeba/ and the landmarks above:
celeba/img_celeba/000001.jpg
celeba/list_landmarks_celeba.txt         likewise
celeba/list_bbox_celeba.txt              202599
                                         image_id x_1 y_1 width height
                                         000001.jpg 95 71 226 313"""


class CelebALandmarks(LandmarkFiles):
    """CelebA's faces with their five points, and MAFL, which is 20,000 of them.

    The annotations are whole numbers of pixels; half a pixel is added, since they count centres.

    Args:
        root: the folder that holds ``celeba/``, or is it.
        split: ``"mafl_train"`` (19,000 officially), ``"mafl_test"`` (1,000), or one of CelebA's,
            see ``CATALOG["celeba"]``: those "..._without_mafl_test" hold none of MAFL's test.
        aligned: the aligned and cropped images of 178 x 218 pixels; else those in the wild, with
            their face boxes.

    Raises:
        FileNotFoundError: if `root` is not a folder.
        ValueError: if there is no such split, or the folder has another layout; then it says what
            was expected and what was found; and from `LandmarkFiles`.

    Source:
        Liu et al., "Deep Learning Face Attributes in the Wild" (2015), CelebA; Zhang et al.,
        "Facial Landmark Detection by Deep Multi-task Learning" (2014), MAFL.

    Example:
        >>> CelebALandmarks("/no/such/folder", split="mafl_train")
        Traceback (most recent call last):
        FileNotFoundError: `root` must be the folder of CelebA, got '/no/such/folder'. ...
    """

    def __init__(
        self, root: str | Path, split: str = "mafl_train", *, aligned: bool = True
    ) -> None:
        checks.arguments(CelebALandmarks.__init__, locals())
        root = Path(root)
        splits = (*MAFL_SPLITS, *_CELEBA.splits)
        if split not in splits:
            raise ValueError(f"`split` must be one of {', '.join(splits)}, got {split!r}")
        if not root.is_dir():
            raise FileNotFoundError(
                f"`root` must be the folder of CelebA, got {str(root)!r}. The set comes from "
                f"{_CELEBA.url}"
            )
        try:
            folder = inside(root, "celeba")
            names = _names(folder, split)
            images = require_folder(folder, "img_align_celeba" if aligned else "img_celeba")
            require_files(images, names, PARTITIONS)
            file = f"list_landmarks_{'align_' if aligned else ''}celeba.txt"
            points = _numbers(folder, file, 10, names).unflatten(1, (5, 2)) + 0.5
            boxes = None
            if not aligned:
                boxes = _numbers(folder, "list_bbox_celeba.txt", 4, names)
                boxes[:, 2:] += boxes[:, :2]
        except LayoutError as error:
            raise ValueError(
                f"{root} does not hold CelebA with landmarks as the split {split!r} needs it: "
                f"{error}.\nExpected below it:\n\n{_LAYOUT}\n\nFound: {contents(root)}\n"
                f"The set comes from {_CELEBA.url}"
            ) from error
        name = "mafl" if split in MAFL_SPLITS else "celeba"
        super().__init__(images, names, points, FACE_5, boxes=boxes, name=name)


def _names(folder: Path, split: str) -> list[str]:
    if split not in MAFL_SPLITS:
        return split_names(folder, split, read_pairs(folder, PARTITIONS))
    train, test = (
        [name for (name,) in read_rows(folder, file, 1)] for file in (MAFL_TRAIN, MAFL_TEST)
    )
    both = sorted(set(train) & set(test))
    if both:
        raise LayoutError(f"{MAFL_TRAIN} and {MAFL_TEST} both name {both[0]}")
    names = train if split == "mafl_train" else test
    if not names:
        raise LayoutError(f"{MAFL_TRAIN if split == 'mafl_train' else MAFL_TEST} names no image")
    return names


def _numbers(folder: Path, file: str, count: int, names: list[str]) -> Tensor:
    """The `count` numbers of each name in an annotation file of CelebA, ``(N, count)`` float."""
    wanted = dict.fromkeys(names)
    numbers: dict[str, list[float]] = {}
    for number, line in numbered_lines(folder, file):
        row = line.split()
        # The first two lines say how many follow, and what the columns are.
        if number <= 2 or row[0] not in wanted:
            continue
        if len(row) != 1 + count:
            raise LayoutError(
                f"line {number} of {file} has {len(row)} columns instead of {1 + count}: "
                f"{line[:60]!r}"
            )
        if row[0] in numbers:
            raise LayoutError(f"line {number} of {file} names {row[0]} again")
        try:
            numbers[row[0]] = [float(cell) for cell in row[1:]]
        except ValueError as error:
            raise LayoutError(f"line {number} of {file} must hold numbers: {error}") from error
    missing = [name for name in names if name not in numbers]
    if missing:
        raise LayoutError(f"{len(missing)} images are not in {file}, {missing[0]} first")
    return torch.tensor([numbers[name] for name in names])
