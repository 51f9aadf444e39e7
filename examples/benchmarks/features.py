"""Row of the benchmark: features of a frozen network from JPEG files, beside timm's loader."""

import argparse
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import timm.data
import torch

import instdisc
from benchmarks.measure import Run
from benchmarks.roofline import Work, forward_flop
from benchmarks.step import Lazy, channels_last, device_batch
from benchmarks.views import jpeg_folder
from instdisc.data import (
    ImageFolder,
    ImageSubset,
    ViewDataset,
    ViewLoader,
    evaluation_policy,
)
from instdisc.transfer import extract_features
from instdisc.types import Views

Contenders = dict[str, Callable[[], Any]]
Extract = Callable[[argparse.Namespace, int], object]  # features of so many images


def extraction(options: argparse.Namespace) -> Contenders:
    """Milliseconds of a batch: forward passes alone, timm's loader with them, and ours.

    A whole extraction is timed for many images and for an eighth of them; the difference leaves
    out how workers start and networks are compiled, which is the row's "start".
    """
    network, size = options.large_network, options.large_size
    jpeg_folder(options.files)  # before the clock runs

    def bare(bf16: bool, compiled: bool = False) -> Callable[[], object]:
        def make() -> Callable[[], object]:
            net, images = frozen(options, compiled), device_batch(options, size)[0][0]
            images = images if bf16 else images.float()
            return lambda: forward(net, images, options.device, bf16)

        return Lazy(make, network)

    @cache
    def compiled() -> instdisc.Backbone:
        return frozen(options, compiled=True)

    def timm_and_compiled(options: argparse.Namespace, count: int) -> object:
        return timms(options, count, compiled())

    reading = "limit: reading and cutting alone"
    flop = options.batch * forward_flop(network, size)
    contenders = {
        "limit: forward pass, bf16": bare(True),
        "ours: extract_features, bf16-mixed": timed(options, partial(ours, precision="bf16-mixed")),
        reading: timed(options, views),
        "limit: forward pass, float32": bare(False),
        "ours: extract_features, 32-true": timed(options, partial(ours, precision="32-true")),
        "limit: forward pass, bf16, compiled": bare(True, compiled=True),
        "timm: create_loader, compiled, bf16": timed(options, timm_and_compiled),
    }
    return {
        name: call if name == reading else Work(call, flop) for name, call in contenders.items()
    }


def views(options: argparse.Namespace, count: int) -> None:
    """What workers do for the features, with nothing computed."""
    images = ImageSubset(ImageFolder(jpeg_folder(options.files)), torch.arange(count))
    dataset = ViewDataset(images, [evaluation_policy(options.large_size)])
    loader = ViewLoader(
        dataset,
        options.batch,
        shuffle=False,
        drop_last=False,
        num_workers=options.workers,
        finish=lambda raw: Views([], raw.labels, raw.indices),
    )
    for _ in loader:
        pass


def ours(options: argparse.Namespace, count: int, *, precision: str) -> object:
    """Our function as it comes."""
    images = ImageSubset(ImageFolder(jpeg_folder(options.files)), torch.arange(count))
    return extract_features(
        instdisc.Backbone(options.large_network),
        images,
        image_size=options.large_size,
        batch_size=options.batch,
        num_workers=options.workers,
        device=options.device,
        precision=precision,
    )


def timms(options: argparse.Namespace, count: int, net: instdisc.Backbone) -> object:
    """Timm's loader with prefetching, and the network in channels_last and bfloat16."""
    images = timm.data.ImageDataset(str(jpeg_folder(options.files)))
    images.reader.samples = images.reader.samples[:count]
    loader = timm.data.create_loader(
        images,
        (3, options.large_size, options.large_size),
        options.batch,
        num_workers=options.workers,
        crop_pct=0.875,
        pin_memory=options.device == "cuda",
        device=torch.device(options.device),
        persistent_workers=False,
    )
    return torch.cat([forward(net, batch, options.device).float().cpu() for batch, _ in loader])


def frozen(options: argparse.Namespace, compiled: bool) -> instdisc.Backbone:
    """The network in eval mode."""
    net = channels_last(instdisc.Backbone(options.large_network).to(options.device)).eval()
    if compiled:
        net.compile()
    return net


def forward(
    net: instdisc.Backbone, images: torch.Tensor, device: str, bf16: bool = True
) -> torch.Tensor:
    """Features in that precision."""
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bf16):
        features: torch.Tensor = net(images)
        return features


def timed(options: argparse.Namespace, extract: Extract) -> Callable[[], Run]:
    """Seconds of a batch, by the difference of many images and few."""

    def call() -> Run:
        seconds = []
        few = max(options.batch, options.feature_images // 8 // options.batch * options.batch)
        many = max(2 * few, options.feature_images)
        for count in (few, few, many):  # the first warms up
            begin = time.perf_counter()
            extract(options, count)
            if options.device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
        taken = (seconds[2] - seconds[1]) / ((many - few) / options.batch)
        if taken <= 0:
            raise RuntimeError(f"{many} images took no longer than {few}: the machine is too busy")
        return Run([taken], seconds[0])

    return call
