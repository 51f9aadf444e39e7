"""Rows of the benchmark: what lies in tar shards, and an index of a hundred million images."""

import argparse
import atexit
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.children import run_in_child
from benchmarks.measure import Run
from benchmarks.views import jpeg_folder
from instdisc.data import (
    ImageFolder,
    ImageShards,
    ViewData,
    write_shards,
)
from instdisc.data.images.shards.index_file import DTYPES, Wanted, describe_index
from instdisc.data.images.shards.mapped import write_mapped
from instdisc.data.images.shards.samples import Rules
from instdisc.data.images.shards.stamps import stamp_of

Contenders = dict[str, Callable[[], Any]]
_PER_SHARD = 10_000  # images of a shard in an index that is made up
_SAMPLES = 512  # real images that it points to
_AGE = 3600  # seconds


def scans(options: argparse.Namespace) -> Contenders:
    """Reading what lies in a shard."""
    import tarfile

    from instdisc.data.images.shards.members import read_members
    from instdisc.data.images.shards.samples import read_samples

    shards = write_shards(_images(options), _new_folder() / "shards", index=False)
    paths = [shards.root / name for name in shards.shards]

    def by_tarfile() -> None:
        for path in paths:
            with tarfile.open(path) as tar:
                while tar.next() is not None:
                    tar.members.clear()

    return {
        "tarfile": by_tarfile,
        "ours: headers": lambda: [sum(1 for _ in read_members(path)) for path in paths],
        "ours: images and labels": lambda: [read_samples(path, Rules()) for path in paths],
    }


def index_100m(options: argparse.Namespace) -> Contenders:
    """From opening shards to the first batch of views by 2 workers, of few images and of many."""
    few = min(10_000, options.index_images)
    contenders: Contenders = {}
    for count in dict.fromkeys((few, options.index_images)):
        folder = _new_folder()
        num_bytes = _make_up(folder, count, _images(options))
        runs = run_in_child(_first_batch, (folder, 2), forks=options.forks)
        name = f"{count:,} images, {num_bytes / count:.1f} bytes of each in the index"
        for whose, run in runs.items():
            contenders[f"{name}: {whose}"] = lambda run=run: run
        shutil.rmtree(folder)
    return contenders


def _first_batch(folder: Path, num_workers: int) -> dict[str, Run]:
    """What the first batch takes, in a process of its own: time by the clock, and CPU time.

    Private is what a process has written: pages of the index that it has read are the system's, who
    may take them back and gives them to all.
    """
    torch.set_num_threads(1)
    before = _memory("self", "Private_Dirty")
    begin, used = time.perf_counter(), time.process_time()
    images = ImageShards(folder / "shards", index=folder / "index")
    opened = time.perf_counter() - begin
    data = ViewData(images, image_size=64, batch_size=256, num_workers=num_workers)
    batches = iter(data.train_dataloader())  # whose workers end with it
    batch = next(batches)
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    assert len(batch.labels) == 256
    workers = [child.pid for child in multiprocessing.active_children()]
    assert len(workers) == num_workers
    private = [_memory(worker, "Private_Dirty") for worker in workers]
    together = sum(_memory(process, "Pss") for process in ("self", *workers))
    return {
        "by the clock; all processes, shared memory once": Run([seconds], opened, together),
        "CPU time and what is private beyond the start, main process": Run(
            [used], memory=_memory("self", "Private_Dirty") - before
        ),
        "CPU time and what is private, a worker": Run(
            [sum(map(_cpu_time, workers)) / num_workers], memory=sum(private) // num_workers
        ),
    }


def _memory(process: int | str | None, *kinds: str) -> int:
    """Bytes of a process, as Linux counts them."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.split(":")[0] in kinds)


def _cpu_time(process: int | None) -> float:
    """Seconds that a process has used."""
    numbers = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def _make_up(folder: Path, count: int, images: ImageFolder) -> int:
    """An index of so many images, which point to a few again and again; its bytes.

    It lies where `ImageShards` looks for it, beside shards of the names in it, all of them the same
    file.
    """
    some = torch.arange(0, len(images), -(-len(images) // _SAMPLES))
    samples = write_shards(images.subset(some), folder / "real", index=False)
    real = folder / "real" / samples.shards[0]
    os.utime(real, (time.time() - _AGE,) * 2)
    (folder / "shards").mkdir()
    names = [f"{number:06}.tar" for number in range(-(-count // _PER_SHARD))]
    for name in names:
        os.link(real, folder / "shards" / name)
    counts = [min(_PER_SHARD, count - start) for start in range(0, count, _PER_SHARD)]
    wanted = Wanted(Path(os.path.realpath(folder / "shards")), names, False, Rules(), None)
    about = describe_index(wanted, [stamp_of(real)] * len(names), counts, samples.classes)
    index = samples._index

    def parts() -> Iterator[list[np.ndarray]]:
        for rows in counts:
            yield [np.resize(column, rows) for column in (index.labels, index.blocks, index.sizes)]

    file = wanted.file(folder / "index")
    write_mapped(file, about, count, DTYPES, parts())
    return file.stat().st_size


def _images(options: argparse.Namespace) -> ImageFolder:
    """The images of a real set where one is at hand, else generated ones."""
    real = Path(os.environ.get("INSTDISC_DATA", "data")) / "tiny_imagenet100" / "train"
    return ImageFolder(real if real.is_dir() and not options.tiny else jpeg_folder(options.images))


def _new_folder() -> Path:
    """A folder that is gone when the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="instdisc_benchmark_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
