"""Row of the benchmark: the same images in a folder and in other formats."""

import argparse
import atexit
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from instdisc.data import (
    EncodedImages,
    HuggingFaceImages,
    ImageFolder,
    ImageSource,
    LMDBImages,
    ParquetImages,
    Scenes,
    ViewDataset,
    view_policy,
    write_shards,
)

Contenders = dict[str, Callable[[], Any]]
_SET = Path("tiny_imagenet100") / "train"  # 20,000 JPEGs of 64 x 64 pixels
_MADE = 64  # images that are made where it is not at hand
_COMPARED = 64


class Kind(NamedTuple):
    """A place where images lie.

    Attributes:
        package: without which the kind is left out; "" = none.
        make: writes the images of a folder to a new place, and opens them there.
    """

    package: str
    make: Callable[[ImageFolder, Path], ImageSource]


def sources(options: argparse.Namespace) -> Contenders:
    """Raw views from each kind, after it was seen that they are the same, bit for bit."""
    images, place = image_folder(), Path(tempfile.mkdtemp(prefix="instdisc_benchmark_"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    opened: dict[str, ImageSource] = {"folder of files": images}
    for number, (name, kind) in enumerate(KINDS.items()):
        if not kind.package or find_spec(kind.package):
            opened[name] = kind.make(images, place / str(number))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).tolist()
    first = [
        dataset(source).batch([(0, i) for i in order[:_COMPARED]]) for source in opened.values()
    ]
    for name, batch in zip(opened, first, strict=True):
        if not all(map(torch.equal, batch.views, first[0].views)):
            raise AssertionError(f"the views from {name} are not those of the folder")
    return {name: views_of(source, order, options.small_images) for name, source in opened.items()}


def image_folder() -> ImageFolder:
    """The set below INSTDISC_DATA, or a few scenes as JPEG files."""
    folder = Path(os.environ.get("INSTDISC_DATA", "data")) / _SET
    if folder.is_dir():
        return ImageFolder(folder)
    folder = Path(tempfile.mkdtemp(prefix="instdisc_benchmark_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    scenes = Scenes(_MADE, image_size=64)
    for index in range(_MADE):
        file = io.BytesIO()
        Image.fromarray(scenes.read(index).permute(1, 2, 0).numpy()).save(file, "JPEG")
        (folder / "ab"[index % 2]).mkdir(exist_ok=True)
        (folder / "ab"[index % 2] / f"{index}.jpg").write_bytes(file.getvalue())
    return ImageFolder(folder)


def dataset(images: ImageSource) -> ViewDataset:
    """Two views of each image at 64 px."""
    return ViewDataset(images, [view_policy("moco_v2", 64)] * 2)


def views_of(images: ImageSource, order: list[int], count: int) -> Callable[[], object]:
    """The views of so many images, each call those that come next in a random order."""
    views, calls = dataset(images), iter(range(10**9))

    def call() -> object:
        start = next(calls) * count
        return views.batch([(0, order[(start + row) % len(order)]) for row in range(count)])

    return call


class _InMemory(EncodedImages):
    """Files that are read already: no format can be faster."""

    def __init__(self, images: ImageFolder, _: Path) -> None:
        self.name, self.classes, self.labels = images.name, images.classes, images.labels
        self._files = [images.encoded(index) for index in range(len(images))]

    def encoded(self, index: int) -> bytes | None:
        return self._files[index]


def _shards(images: ImageFolder, place: Path) -> ImageSource:
    return write_shards(images, place, index=False)


def _hugging_face(images: ImageFolder, place: Path) -> ImageSource:
    import datasets

    datasets.disable_progress_bars()
    columns = {"image": datasets.Image(), "label": datasets.ClassLabel(names=images.classes)}
    rows = {
        "image": [{"bytes": images.encoded(row), "path": None} for row in range(len(images))],
        "label": images.labels.tolist(),
    }
    datasets.Dataset.from_dict(rows, datasets.Features(columns)).save_to_disk(place)
    return HuggingFaceImages(place)


def _parquet(images: ImageFolder, place: Path, *, rows: int) -> ImageSource:
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [images.encoded(row) for row in range(len(images))]
    table = pa.table({"image": files, "label": images.labels.numpy()})
    place.mkdir()
    pq.write_table(table, place / "images.parquet", row_group_size=rows)
    return ParquetImages(place, classes=images.classes)


def _lmdb(images: ImageFolder, place: Path) -> ImageSource:
    import lmdb

    with lmdb.open(str(place), map_size=2**32) as database, database.begin(write=True) as writing:
        for row, path in enumerate(images.paths):
            writing.put(path.encode(), images.encoded(row))
    return LMDBImages(place)


KINDS: dict[str, Kind] = {
    "limit: bytes in memory": Kind("", _InMemory),
    "tar shards": Kind("", _shards),
    "Hugging Face (Arrow)": Kind("datasets", _hugging_face),
    "LMDB": Kind("lmdb", _lmdb),
    "Parquet, groups of 10 rows": Kind("pyarrow", partial(_parquet, rows=10)),
    "Parquet, groups of 1,000 rows": Kind("pyarrow", partial(_parquet, rows=1000)),
}
