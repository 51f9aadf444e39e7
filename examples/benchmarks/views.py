"""Rows of the benchmark: from files or memory to views."""

import argparse
import atexit
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightly.transforms import MoCoV2Transform
from PIL import Image
from torch import Tensor

from benchmarks.roofline import Work
from instdisc.data import (
    ImageFolder,
    ImagesInMemory,
    ImageSubset,
    Scenes,
    ViewDataset,
    ViewFinisher,
    resize_copy,
    view_policy,
)
from instdisc.data.views.dataset import RawViews
from instdisc.data.views.resample import cut_boxes

Contenders = dict[str, Callable[[], Any]]


def worker(options: argparse.Namespace) -> Contenders:
    """What a worker does with a JPEG file."""
    folder = ImageFolder(jpeg_folder(options.images))
    return {
        "lightly: MoCoV2Transform, colours included": lightly_from_files(folder),
        "ours: read, decode once, cut two views": views_of(folder, 224),
        "limit: decode only": reads(folder),
    }


def copies(options: argparse.Namespace) -> Contenders:
    """The same from copies with the short side at 256."""
    originals = ImageFolder(jpeg_folder(options.images))
    folder = resized(options.images)
    return {
        "lightly: MoCoV2Transform from the originals": lightly_from_files(originals),
        "lightly: MoCoV2Transform from the copies": lightly_from_files(folder),
        "ours: read, decode once, cut two views": views_of(folder, 224),
        "limit: decode only": reads(folder),
    }


def whole_224(options: argparse.Namespace) -> Contenders:
    """Finished views, all on the CPU."""
    folder = ImageFolder(jpeg_folder(options.images))
    return {
        "lightly: MoCoV2Transform": lightly_from_files(folder),
        "ours, eager": views_of(folder, 224, finish=True),
        "ours, compiled": views_of(folder, 224, finish=True, compiled=True),
        "ours, compiled, from copies": views_of(
            resized(options.images), 224, finish=True, compiled=True
        ),
    }


def from_memory(options: argparse.Namespace, size: int) -> Contenders:
    """Finished small views of images in memory."""
    images = ImagesInMemory(Scenes(options.small_images, image_size=size))
    transform = MoCoV2Transform(input_size=size, sigmas=(0.1 * size / 224, 2.0 * size / 224))
    pictures = [
        Image.fromarray(images.read(index).permute(1, 2, 0).numpy())
        for index in range(options.small_images)
    ]
    return {
        "lightly: MoCoV2Transform": lambda: [transform(picture) for picture in pictures],
        "ours, eager": views_of(images, size, finish=True),
        "ours, compiled": views_of(images, size, finish=True, compiled=True),
        "limit: crops only": views_of(images, size),
    }


def colours(options: argparse.Namespace) -> Contenders:
    """The device's part of two views; work: one read of each uint8 view and one write."""
    size, count = options.large_size, options.batch
    policies = [view_policy("moco_v2", size)] * 2
    few = ViewDataset(Scenes(64, image_size=size), policies)
    raw = few.batch([(0, index % 64) for index in range(count)])
    there = raw._replace(
        views=[views.to(options.device) for views in raw.views],
        numbers=[numbers.to(options.device) for numbers in raw.numbers],
    )
    blur = 2 * (size // 20) + 1  # a tenth of the side, odd

    def torchvisions() -> list[Tensor]:
        from torchvision.transforms import v2

        steps = [
            v2.ToDtype(torch.float32, scale=True),
            v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
            v2.RandomGrayscale(0.2),
            v2.GaussianBlur(blur, (0.1, 2.0)),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
        return [v2.Compose(steps)(views) for views in there.views]

    def ours(dtype: torch.dtype, form: torch.memory_format) -> Callable[[], object]:
        finish = ViewFinisher(policies, dtype=dtype)
        return lambda: finish(there, memory_format=form)

    values = sum(views.numel() for views in there.views)
    single, half = torch.float32, torch.bfloat16
    return {
        "torchvision v2 on the batch, one number for all its images": torchvisions,
        "limit: to bfloat16 only": Work(
            lambda: [views.to(half) for views in there.views], 3 * values, "B"
        ),
        "ours, bfloat16, channels_last": Work(ours(half, torch.channels_last), 3 * values, "B"),
        "ours, float32, channels_last": Work(ours(single, torch.channels_last), 5 * values, "B"),
        "ours, float32": Work(ours(single, torch.contiguous_format), 5 * values, "B"),
    }


def from_device(options: argparse.Namespace) -> Contenders:
    """Whole views of images that are kept on the device, numbers drawn on the CPU."""
    size = options.small_size
    few = ImagesInMemory(Scenes(64, image_size=size))
    images = ImagesInMemory(ImageSubset(few, torch.arange(options.batch) % len(few)))
    policies = [view_policy("moco_v2", size)] * 2
    dataset = ViewDataset(images, policies, cut=False)
    keys = [(0, index) for index in range(options.batch)]
    assert images.stack is not None
    stack = images.stack.to(options.device)
    uncut = dataset.batch(keys)
    boxes = [box.to(options.device) for box in uncut.boxes]
    numbers = [each.to(options.device) for each in uncut.numbers]
    indices = uncut.indices.to(options.device)
    finish = ViewFinisher(policies, dtype=torch.bfloat16)

    def cut() -> list[Tensor]:
        return cut_boxes(stack, boxes, indices, [size, size])

    def ours() -> object:
        raw = RawViews(cut(), numbers, uncut.labels, indices)
        return finish(raw, memory_format=torch.channels_last)

    return {
        "drawing the numbers on the CPU": lambda: dataset.batch(keys),
        "ours, cut on the device": cut,
        "ours, cut and coloured on the device, bfloat16, channels_last": ours,
    }


def lightly_from_files(folder: ImageFolder) -> Callable[[], object]:
    """Lightly's views of every file, by PIL as in its data set."""
    transform = MoCoV2Transform()
    paths = [folder.path(index) for index in range(len(folder))]
    return lambda: [transform(Image.open(path).convert("RGB")) for path in paths]


def reads(folder: ImageFolder) -> Callable[[], object]:
    """Decodes every file."""
    return lambda: [folder.read(index) for index in range(len(folder))]


def views_of(
    images: ImageFolder | ImagesInMemory, size: int, *, finish: bool = False, compiled: bool = False
) -> Callable[[], object]:
    """Our views of every image, raw or finished; another epoch each call."""
    policies = [view_policy("moco_v2", size)] * 2
    dataset, epochs = ViewDataset(images, policies), iter(range(10**9))
    if compiled:  # before the clock runs
        raw = dataset.batch([(0, index) for index in range(len(images))])
        finisher(policies, compiled=True)(raw)

    def call() -> object:
        epoch = next(epochs)
        raw = dataset.batch([(epoch, index) for index in range(len(images))])
        return finisher(policies, compiled=compiled)(raw) if finish else raw

    return call


_FINISHERS: dict[tuple[object, ...], ViewFinisher] = {}


def finisher(
    policies: list[Any], *, compiled: bool = False, dtype: torch.dtype = torch.float32
) -> ViewFinisher:
    """One finisher for each way, so that what is compiled is compiled once."""
    key = (policies[0], compiled, dtype)
    if key not in _FINISHERS:
        _FINISHERS[key] = ViewFinisher(policies, compile=compiled, dtype=dtype)
    return _FINISHERS[key]


@cache
def jpeg_folder(count: int) -> Path:
    """Textured scenes of 500 x 375 pixels as JPEG files of about 110 KB, in two classes.

    There are 64 of them; the other files are links to these. Rows of a benchmark share them.
    """
    folder = Path(tempfile.gettempdir()) / f"jpeg_{count}"
    if (folder / "b").exists():
        return folder
    scenes, rng = Scenes(min(count, 64), image_size=500), np.random.default_rng(0)
    making = _new_folder()
    for label in ("a", "b"):
        (making / label).mkdir()
    for index in range(len(scenes)):
        pixels = scenes.read(index)[:, 62:437].permute(1, 2, 0).numpy()
        noisy = (pixels + rng.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8)
        for quality in range(95, 40, -3):
            file = io.BytesIO()
            Image.fromarray(noisy).save(file, "JPEG", quality=quality)
            if file.tell() < 115_000:
                break
        first = making / "ab"[index % 2] / f"{index}.jpg"
        first.write_bytes(file.getvalue())
        for copy in range(index + len(scenes), count, len(scenes)):
            os.link(first, making / "ab"[copy % 2] / f"{copy}.jpg")
    making.rename(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def resized(count: int) -> ImageFolder:
    """Copies of these with the short side at 256."""
    target = _new_folder()
    resize_copy(ImageFolder(jpeg_folder(count)), target)
    return ImageFolder(target)


def _new_folder() -> Path:
    """A folder that is gone when the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="instdisc_benchmark_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
