"""CIFAR-10 and CIFAR-100."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..images.arrays import ImageArray
from ..images.source import ImageSource
from .entry import CatalogEntry
from .layout import LayoutError, require_folder
from .pickles import read_pickle
from .splitting import SPLITS, TRANSFER

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")


def _read_10(root: Path, split: str) -> ImageSource:
    files = {"train": BATCHES, "test": ("test_batch",), "all": (*BATCHES, "test_batch")}[split]
    folder = require_folder(root, "cifar-10-batches-py")
    return _read(folder, files, "labels", ("batches.meta", "label_names"), "cifar10")


def _read_100(root: Path, split: str) -> ImageSource:
    files = ("train", "test") if split == "all" else (split,)
    folder = require_folder(root, "cifar-100-python")
    return _read(folder, files, "fine_labels", ("meta", "fine_label_names"), "cifar100")


def _read(
    folder: Path, files: tuple[str, ...], key: str, meta: tuple[str, str], name: str
) -> ImageSource:
    classes = _entry(folder, *meta)
    pixels, labels, names = [], [], []
    for file in files:
        data, numbers = np.asarray(_entry(folder, file, "data")), _entry(folder, file, key)
        if data.ndim != 2 or data.shape != (len(numbers), 3 * 32 * 32) or data.dtype != np.uint8:
            raise LayoutError(f"data of {file} is {data.shape} {data.dtype}, not (N, 3072) uint8")
        if not set(numbers) <= set(range(len(classes))):
            raise LayoutError(f"{file} must have labels in 0 to {len(classes) - 1}")
        pixels.append(torch.from_numpy(data.reshape(-1, 3, 32, 32)))
        labels += numbers
        names += [f"{file}/{index}" for index in range(len(numbers))]
    return ImageArray(
        torch.cat(pixels), torch.tensor(labels), classes=classes, name=name, names=names
    )


def _entry(folder: Path, file: str, key: str) -> Any:
    content = read_pickle(folder, file)
    if key not in content:
        raise LayoutError(f"{file} has no entry {key!r}")
    return content[key]


CIFAR10 = CatalogEntry(
    name="cifar10",
    title="CIFAR-10",
    url="https://www.cs.toronto.edu/~kriz/cifar.html",
    terms="not stated; see the URL",
    splits=SPLITS,
    labels="object",
    num_classes=10,
    layout="""\
cifar-10-batches-py/data_batch_1      to data_batch_5
cifar-10-batches-py/test_batch
cifar-10-batches-py/batches.meta

That is the version for Python. torchvision.datasets.CIFAR10 has the same layout.""",
    choices=(
        "The split is the official one. All images of a split are kept in memory (150 MB for "
        "'train'). The files are pickles; they are read without running code from them."
    ),
    reader=_read_10,
    sizes={"train": 50000, "test": 10000, "all": 60000},
    transfer=TRANSFER,
)

CIFAR100 = replace(
    CIFAR10,
    name="cifar100",
    title="CIFAR-100",
    num_classes=100,
    layout="""\
cifar-100-python/train
cifar-100-python/test
cifar-100-python/meta

That is the version for Python. torchvision.datasets.CIFAR100 has the same layout.""",
    choices=CIFAR10.choices + " The label is the fine one, of 100.",
    reader=_read_100,
)
