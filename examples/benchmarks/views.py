"""Rows of the benchmark: from files or memory to views."""

import argparse
import atexit
import io
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

from instdisc.data import (
    ImageFolder,
    ImagesInMemory,
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
    """The device's part of two views."""
    policies = [view_policy("moco_v2")] * 2
    few = ViewDataset(Scenes(64, image_size=224), policies)
    keys = [(0, index % 64) for index in range(options.device_images)]
    raw = few.batch(keys)
    there = RawViews(
        [views.to(options.device) for views in raw.views],
        [numbers.to(options.device) for numbers in raw.numbers],
        raw.labels,
        raw.indices,
    )

    def torchvisions() -> list[Tensor]:
        from torchvision.transforms import v2

        jitter = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
        steps = [
            v2.ToDtype(torch.float32, scale=True),
            jitter,
            v2.RandomGrayscale(0.2),
            v2.GaussianBlur(13, (0.1, 2.0)),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
        return [v2.Compose(steps)(views) for views in there.views]

    return {
        "torchvision v2 on the batch, one number for all its images": torchvisions,
        "ours, eager": lambda: finisher(policies)(there),
        "ours, compiled": lambda: finisher(policies, compiled=True)(there),
        "ours, compiled, bfloat16": lambda: finisher(policies, compiled=True, dtype=torch.bfloat16)(
            there
        ),
        "limit: to float32 only": lambda: [views.float() for views in there.views],
    }


def from_device(options: argparse.Namespace) -> Contenders:
    """Whole views of images that are kept on the device, numbers drawn on the CPU."""
    images = ImagesInMemory(Scenes(options.device_images, image_size=64))
    policies = [view_policy("moco_v2", 64)] * 2
    dataset = ViewDataset(images, policies, cut=False)
    keys = [(0, index) for index in range(options.device_images)]
    assert images.stack is not None
    stack = images.stack.to(options.device)
    uncut = dataset.batch(keys)
    boxes = [box.to(options.device) for box in uncut.boxes]
    numbers = [each.to(options.device) for each in uncut.numbers]
    indices = uncut.indices.to(options.device)

    def make(compiled: bool) -> Callable[[], object]:
        def call() -> object:
            views = cut_boxes(stack, boxes, indices, [64, 64])
            raw = RawViews(views, numbers, uncut.labels, indices)
            return finisher(policies, compiled=compiled)(raw)

        return call

    return {
        "drawing the numbers on the CPU": lambda: dataset.batch(keys),
        "ours, cut and coloured on the device, eager": make(False),
        "ours, cut and coloured on the device, compiled": make(True),
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
    """Textured scenes of 500 x 375 pixels as JPEG files of about 110 KB."""
    scenes, rng = Scenes(min(count, 64), image_size=500), np.random.default_rng(0)
    folder = _new_folder()
    (folder / "scenes").mkdir()
    for index in range(len(scenes)):
        pixels = scenes.read(index)[:, 62:437].permute(1, 2, 0).numpy()
        noisy = (pixels + rng.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8)
        for quality in range(95, 40, -3):
            file = io.BytesIO()
            Image.fromarray(noisy).save(file, "JPEG", quality=quality)
            if file.tell() < 115_000:
                break
        for copy in range(index, count, len(scenes)):
            (folder / "scenes" / f"{copy}.jpg").write_bytes(file.getvalue())
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
