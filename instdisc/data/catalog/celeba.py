"""CelebA with the identity of each face."""

from __future__ import annotations

from pathlib import Path

import torch

from ..images.files import ImageFiles
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import LayoutError, inside, read_pairs, read_rows, require_files, require_folder

PARTITIONS = "list_eval_partition.txt"
IDENTITIES = "identity_CelebA.txt"
MAFL_TEST = "MAFL/testing.txt"
WITHOUT_MAFL_TEST = "_without_mafl_test"
NUMBERS = {"train": "0", "valid": "1", "test": "2"}


def _read(root: Path, split: str) -> ImageSource:
    folder = inside(root, "celeba")
    images = require_folder(folder, "img_align_celeba")
    partitions = read_pairs(folder, PARTITIONS)
    identities = read_pairs(folder, IDENTITIES)
    nameless = sorted(set(partitions) - set(identities))
    if nameless:
        raise LayoutError(
            f"{len(nameless)} images of {PARTITIONS} are not in {IDENTITIES}, {nameless[0]} first"
        )
    names = split_names(folder, split, partitions)
    require_files(images, names, PARTITIONS)
    people = sorted(set(identities.values()), key=lambda person: (len(person), person))  # 2 < 10
    number = {person: index for index, person in enumerate(people)}
    labels = torch.tensor([number[identities[name]] for name in names], dtype=torch.int64)
    return ImageFiles(images, names, labels, classes=people)


def split_names(folder: Path, split: str, partitions: dict[str, str]) -> list[str]:
    """The images of a split; those "..._without_mafl_test" hold none of MAFL's test.

    Args:
        folder: ``celeba/``.
        split: one of CelebA's splits.
        partitions: what `PARTITIONS` says: a file name and the number of its split.

    Raises:
        LayoutError: if MAFL's list is needed, and is missing or names other images.
    """
    part = split.removesuffix(WITHOUT_MAFL_TEST)
    names = [name for name in partitions if part == "all" or partitions[name] == NUMBERS[part]]
    if split.endswith(WITHOUT_MAFL_TEST):
        test = _mafl_test(folder, partitions)
        names = [name for name in names if name not in test]
    return names


def _mafl_test(folder: Path, partitions: dict[str, str]) -> set[str]:
    test = {name for (name,) in read_rows(folder, MAFL_TEST, 1)}
    strange = sorted(test - set(partitions))
    if strange or not test:
        raise LayoutError(
            f"{MAFL_TEST} must name images of {PARTITIONS}, it names {(strange or ['none'])[0]}"
        )
    return test


CELEBA = CatalogEntry(
    name="celeba",
    title="CelebA, aligned and cropped",
    url="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    terms="non-commercial research; see the URL",
    splits=(
        *("train", "valid", "test", "all"),
        *("train_without_mafl_test", "all_without_mafl_test"),
    ),
    labels="identity",
    num_classes=10177,
    layout="""\
celeba/img_align_celeba/000001.jpg
celeba/list_eval_partition.txt      000001.jpg 0
celeba/identity_CelebA.txt          000001.jpg 2880

For the splits "..._without_mafl_test" also:
celeba/MAFL/testing.txt             a file name in each line, from
                                    https://mmlab.ie.cuhk.edu.hk/projects/TCDCN.html

The root may also be the folder celeba/ itself. torchvision.datasets.CelebA has the same layout.""",
    choices=(
        "The label is the identity, by which Zhao et al. (2021) most probably supervise; the "
        "other reading is the 40 attributes. The 10,177 identities are numbered over all splits, "
        "so that a label is the same person in each; a split has images of only some. Which "
        "split they pretrain on is not known: ours is 'train' (162,770 images). Before a "
        "landmark task on MAFL use a split without its 1,000 test images."
    ),
    reader=_read,
)
