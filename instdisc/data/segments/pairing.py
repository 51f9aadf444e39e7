"""Which mask belongs to which image, by the names of the files."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from instdisc.checks import refuse

from ..images.files import SUFFIXES
from ..images.listing import composed, is_clutter, list_folder, walk_folder
from ..left_out import say_left_out
from .ids import LOSSY_SUFFIXES

MASK_SUFFIXES = SUFFIXES | {".gif"}
_APART = "_- ."
# What names say of a file's kind: 1_image.jpg beside 1_mask.png, mask-1.png, 1_gt.png.
_IMAGE_WORDS = ("image", "img", "rgb", "sat", "photo")
_MASK_WORDS = ("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "annot", "L")


class PairedFiles(NamedTuple):
    """Images and masks in the same order, relative to their folders.

    Attributes:
        images: below the folder of images.
        masks: below the folder of masks.
    """

    images: list[str]
    masks: list[str]


def list_files(folder: Path) -> tuple[list[str], list[str]]:
    """The files below a folder that are images by their suffix, and those passed over, sorted.

    Hidden files and folders are passed over, as are the ``._`` files of macOS.
    """
    images: list[str] = []
    others: list[str] = []
    for path, files in walk_folder(folder):
        for name in files:
            inner = os.path.relpath(os.path.join(path, name), folder).replace(os.sep, "/")
            (images if _is_image(name) else others).append(inner)
    return sorted(images), sorted(others)


def has_image(folder: Path) -> bool:
    """Whether a folder holds an image by its suffix, at any depth."""
    return any(_is_image(name) for _, files in walk_folder(folder) for name in files)


def subfolders(folder: Path) -> dict[str, Path]:
    """The folders in a folder, by name, but for hidden ones."""
    return {entry.name: entry for entry in list_folder(folder) if entry.is_dir()}


def pair_files(images: Path, masks: Path) -> PairedFiles:
    """Pairs two folders by path and name without suffix: ``a/1.jpg`` and ``a/1.png``.

    Where all masks end (or begin) with one word for what they are, as in ``1_mask.png``,
    ``1-label.png``, ``1_seg.png`` and ``mask_1.png``, it does not count; nor one of all images,
    as in ``1_image.jpg``. What is no image by its suffix is passed over, counted and logged.

    Raises:
        FileNotFoundError: if a folder is not there.
        ValueError: if a folder holds no image, an image has no mask or a mask no image, a name
            comes twice, or masks are in a lossy format.
    """
    pictures, truths = _by_name(images, "images"), _by_name(masks, "masks")
    if pictures.keys() != truths.keys():
        pictures = _without_word(pictures, _IMAGE_WORDS)
        truths = _without_word(truths, _MASK_WORDS)
    for kind, other, missing in (
        ("image", "mask", sorted(pictures.keys() - truths.keys())),
        ("mask", "image", sorted(truths.keys() - pictures.keys())),
    ):
        if missing:
            raise ValueError(
                f"{len(missing)} {kind}s have no {other}, {missing[0]!r} first ({images} and "
                f"{masks}). Files must have the same names but for the suffix, and for a word as "
                "in 1_mask.png that all masks have. Add what is missing, or move the rest away."
            )
    lossy = [name for name in truths.values() if _suffix(name) in LOSSY_SUFFIXES]
    if lossy:
        raise ValueError(
            f"`masks` must be in a format without loss, such as PNG, got {lossy[0]!r}: "
            "compression changes ids"
        )
    keys = sorted(pictures)
    return PairedFiles([pictures[key] for key in keys], [truths[key] for key in keys])


def log_passed_over(folder: Path, names: Sequence[str]) -> None:
    """Says how many files are left out."""
    say_left_out(
        range(len(names)),
        f"{folder}: %d files are passed over, which are no images by their names, first: ",
        lambda row: names[row],
    )


def common_share(images: Collection[str], masks: Collection[str]) -> float:
    """The share of masks that have an image, by their names."""
    pictures, truths = ({_key(name): name for name in names} for names in (images, masks))
    if not pictures.keys() & truths.keys():
        pictures = _without_word(pictures, _IMAGE_WORDS)
        truths = _without_word(truths, _MASK_WORDS)
    return len(pictures.keys() & truths.keys()) / max(1, len(truths))


def _by_name(folder: Path, argument: str) -> dict[str, str]:
    if not folder.is_dir():
        refuse(argument, "a folder", str(folder), kind=FileNotFoundError)
    names, others = list_files(folder)
    by_key: dict[str, str] = {}
    for name in names:
        key = _key(name)
        if key in by_key:
            raise ValueError(
                f"{folder / by_key[key]} and {folder / name} have the same name but for the suffix"
            )
        by_key[key] = name
    if not by_key:
        raise ValueError(f"{folder} holds no image ({', '.join(sorted(MASK_SUFFIXES))})")
    log_passed_over(folder, others)
    return by_key


def _without_word(names: dict[str, str], words: Collection[str]) -> dict[str, str]:
    """The same files by names without the word that all of them have; as they are if none."""
    for word, apart, last in product(words, _APART, (True, False)):
        short = {_without(key, word, apart, last): name for key, name in names.items()}
        if "" not in short and len(short) == len(names):
            return short
    return names


def _without(key: str, word: str, apart: str, last: bool) -> str:
    """The key without a word at the end or beginning of its name; ``""`` if it is not there."""
    folder, slash, name = key.rpartition("/")
    text = (apart + word if last else word + apart).lower()
    fits = name.lower().endswith(text) if last else name.lower().startswith(text)
    short = name[: -len(text)] if last else name[len(text) :]
    return folder + slash + short if fits and short else ""


def _key(name: str) -> str:
    return composed(os.path.splitext(name)[0])


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _is_image(name: str) -> bool:
    return _suffix(name) in MASK_SUFFIXES and not is_clutter(name)
