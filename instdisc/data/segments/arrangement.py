"""Where in a folder the images and the masks of each part lie, whatever their folders are called.

Which of two folders holds the masks follows from both names, or from their first files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..images.decoding import open_image
from .ids import LOSSY_SUFFIXES, is_single_channel
from .pairing import common_share, has_image, list_files, subfolders

_PARTS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation"),
}
_SPLITS = {name: part for part, names in _PARTS.items() for name in names}
_WORDS = "|".join(sorted(_SPLITS, key=len, reverse=True))
_BEGINS = re.compile(rf"({_WORDS})[-_ ]?(.*)")  # train, trainannot, train_masks
_ENDS = re.compile(rf"(.*)[-_ ]({_WORDS})")  # masks_train

_IMAGE_NAMES = {
    *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "pics", "rgb"),
    *("jpegimages", "pngimages", "input", "inputs", "original", "originals", "leftimg8bit"),
}
_MASK_NAMES = {
    *("mask", "masks", "label", "labels", "annot", "annots", "annotation", "annotations", "truth"),
    *("gt", "groundtruth", "seg", "segs", "segmentation", "segmentations", "segmentationclass"),
    *("segmentationmask", "segmentationmasks", "target", "targets", "labelids", "segments"),
}
_MOST_FOLDERS = 8  # of which files are looked at; a set of class folders has more
_LOOKED_AT = 8  # files per folder
_MOST_IDS = 64  # in one mask; photographs hold more values


class Pair(NamedTuple):
    """The two folders of a part.

    Attributes:
        images: of the images.
        masks: of their masks.
    """

    images: Path
    masks: Path


def find_parts(root: Path) -> dict[str, Pair]:
    """The folders of each part: ``"train"``, ``"val"`` and ``"test"``, or ``"all"`` without splits.

    Known are ``images/train`` and ``masks/train``, ``train/images`` and ``train/masks``,
    ``train`` and ``trainannot`` (``train_images`` and ``train_masks``), or ``images`` and
    ``masks``, by these names or others. Empty if there is none, or if it is not clear which
    folder holds the masks.
    """
    folders = subfolders(root)
    parts = _split_above(folders) or _split_below(folders)
    if not parts:
        pair = _find_pair({n: path for n, path in folders.items() if n.lower() not in _SPLITS})
        return {} if pair is None else {"all": pair}
    return parts


def undecided(root: Path) -> list[Path]:
    """The folders with images if there are two, of which either could hold the masks."""
    folders = subfolders(root)
    if len(folders) > _MOST_FOLDERS:
        return []
    holding = [folder for folder in folders.values() if has_image(folder)]
    return holding if len(holding) == 2 else []


def _split_above(folders: dict[str, Path]) -> dict[str, Pair]:
    groups: dict[str, list[tuple[str, Path]]] = {}  # a split: the rest of the name, the folder
    for name, folder in folders.items():
        begins, ends = _BEGINS.fullmatch(name.lower()), _ENDS.fullmatch(name.lower())
        if begins:
            groups.setdefault(begins[1], []).append((begins[2], folder))
        elif ends:
            groups.setdefault(ends[2], []).append((ends[1], folder))
    parts: dict[str, Pair] = {}
    for split in _SPLITS:  # of "test" and "testing" the first
        group = groups.get(split, [])
        pair = None
        if len(group) == 2:
            (first_name, first), (second_name, second) = group
            pair = _decide(first, second, first_name or "images", second_name or "images")
        if pair is None:
            inner = [folder for rest, folder in group if not rest]
            pair = _find_pair(subfolders(inner[0])) if inner else None
        if pair is not None:
            parts.setdefault(_SPLITS[split], pair)
    return parts


def _split_below(folders: dict[str, Path]) -> dict[str, Pair]:
    if len(folders) > _MOST_FOLDERS:
        folders = _by_names(folders)
    inner = {
        name: {inner_name.lower(): path for inner_name, path in subfolders(folder).items()}
        for name, folder in folders.items()
    }
    split = [name for name, below in inner.items() if below.keys() & _SPLITS.keys()]
    if len(split) > 2:
        split = list(_by_names({name: folders[name] for name in split}))
    if len(split) != 2:
        return {}
    first_name, second_name = split
    parts: dict[str, Pair] = {}
    for name, part in _SPLITS.items():
        if name in inner[first_name] and name in inner[second_name]:
            pair = _decide(
                inner[first_name][name], inner[second_name][name], first_name, second_name
            )
            if pair is not None:
                parts.setdefault(part, pair)
    return parts


def _find_pair(folders: dict[str, Path]) -> Pair | None:
    if len(folders) > _MOST_FOLDERS:
        folders = _by_names(folders)
    holding = {name: folder for name, folder in folders.items() if has_image(folder)}
    if len(holding) > 2:
        holding = _by_names(holding)
    if len(holding) != 2:
        return None
    (first_name, first), (second_name, second) = holding.items()
    return _decide(first, second, first_name, second_name)


def _by_names(folders: dict[str, Path]) -> dict[str, Path]:
    """The one folder that is called after images and the one after masks; else none."""
    images = [name for name in folders if _plain(name) in _IMAGE_NAMES]
    masks = [name for name in folders if _plain(name) in _MASK_NAMES]
    chosen = images + masks if len(images) == len(masks) == 1 else []
    return {name: folders[name] for name in chosen}


def _decide(first: Path, second: Path, first_name: str, second_name: str) -> Pair | None:
    """Which of two folders, with their names, holds the masks; ``None`` if unsure."""
    if not (has_image(first) and has_image(second)):
        return None
    if len(_by_names({first_name: first, second_name: second})) == 2:
        return Pair(first, second) if _plain(first_name) in _IMAGE_NAMES else Pair(second, first)
    names = {first: list_files(first)[0], second: list_files(second)[0]}
    like = [_look_like_masks(folder, names[folder]) for folder in (first, second)]
    if like[0] == like[1]:
        # Drawings look like masks themselves: then one name says enough.
        by_name = [_plain(name) in _MASK_NAMES for name in (first_name, second_name)]
        if not like[0] or by_name[0] == by_name[1]:
            return None
        like = by_name
    pair = Pair(second, first) if like[0] else Pair(first, second)
    # Folders of classes may well hold files of some same names.
    return pair if common_share(names[pair.images], names[pair.masks]) > 0.5 else None


def _look_like_masks(folder: Path, names: list[str]) -> bool:
    """Whether some files have one channel without loss, and few values."""
    steps = np.linspace(0, len(names) - 1, min(_LOOKED_AT, len(names))).round().astype(int)
    read = 0
    for step in steps.tolist():
        path = folder / names[step]
        if path.suffix.lower() in LOSSY_SUFFIXES:
            return False
        try:
            with open_image(path) as opened:
                if not is_single_channel(opened.mode) or opened.format in ("JPEG", "MPO"):
                    return False
                pixels = np.array(opened)
        except ValueError:  # reading it will say so
            continue
        if len(np.unique(pixels)) > min(_MOST_IDS, max(2, pixels.size // 2)):
            return False
        read += 1
    return read > 0


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
