"""Row of the benchmark: an epoch of images from a folder, from shards here, and from a store."""

import argparse
import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.sources import dataset, image_folder
from instdisc.data import ImageSource, StreamedShards, write_shards
from instdisc.data.sampling import EpochSampler

Contenders = dict[str, Callable[[], Any]]
_BATCH = 256
_SHARDS = 16


def streams(options: argparse.Namespace) -> Contenders:
    """Raw views of an epoch in random order, each call the next epoch.

    The store is a folder of this machine that is read through fsspec, so that what is seen is what
    copies and order cost, and nothing of a network.
    """
    place = Path(tempfile.mkdtemp(prefix="instdisc_benchmark_"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    images = image_folder()
    few = min(options.stream_images, len(images))
    step = len(images) // few
    some = images.subset(torch.arange(0, few * step, step))
    shards = write_shards(
        some, place / "shards", images_per_shard=-(-few // _SHARDS), index=place / "index"
    )
    streamed = {
        name: StreamedShards(
            f"file://{shards.root}", copies=place / name, index=place / "index", pause=0.1
        )
        for name in ("warm", "cold")
    }
    return {
        "folder of files": _epochs(some),
        "tar shards": _epochs(shards),
        "streamed shards, all copies there": _epochs(streamed["warm"]),
        "streamed shards, none there": _epochs(streamed["cold"], place / "cold"),
    }


def _epochs(images: ImageSource, copies: Path | None = None) -> Callable[[], object]:
    """Reads the next epoch; removes copies before it."""
    views, epochs = dataset(images), iter(range(10**9))
    sampler = EpochSampler(views, _BATCH, seed=0, shuffle=True)

    def call() -> object:
        if copies is not None:
            shutil.rmtree(copies, ignore_errors=True)
        return sum(len(views.batch(keys).labels) for keys in sampler.batches(next(epochs), 0))

    return call
