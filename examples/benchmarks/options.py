"""The command line of the benchmark, and the sizes of its rows."""

import argparse
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import torch


class Size(NamedTuple):
    """The value of an option where nothing else is asked for.

    Attributes:
        cpu: on a CPU.
        cuda: on a GPU.
        tiny: with ``--tiny``.
        text: what it is.
    """

    cpu: Any
    cuda: Any
    tiny: Any
    text: str


_CORES = os.cpu_count() or 1
SIZES = {
    "repeats": Size(9, 5, 1, "timings of each contender, after two that warm up"),
    "queue_size": Size(65536, 65536, 256, "keys in the queue"),
    "long_queue_size": Size(1_281_167, 1_281_167, 512, "keys in the long queue"),
    "images": Size(32, 32, 2, "JPEG images per call"),
    "small_images": Size(256, 256, 8, "images in memory per call"),
    "batch": Size(256, 256, 8, "images of a step in the rows of a GPU"),
    "groups": Size(8, 8, 2, "of batch norm in the rows of a GPU"),
    "large_network": Size("resnet50", "resnet50", "test_resnet", "of the rows at 224 px"),
    "small_network": Size("resnet18", "resnet18", "test_resnet", "of the rows at 64 px"),
    "large_size": Size(224, 224, 64, "side of the images in the rows at 224 px"),
    "small_size": Size(64, 64, 32, "side of the images in the rows at 64 px"),
    "files": Size(4096, 40960, 32, "JPEG files, or small images, of a training run"),
    "start_steps": Size(50, 50, 2, "steps of a training run that its start takes"),
    "steps": Size(100, 100, 5, "steps of a training run that are timed"),
    "workers": Size(_CORES, max(1, _CORES - 1), 0, "processes that read in a training run"),
    "feature_images": Size(2048, 12288, 24, "JPEG files whose features are extracted"),
    "matrix": Size(2048, 8192, 64, "side of the matrices that the device's rate is measured with"),
    "copied_mib": Size(256, 4096, 1, "MiB copied to measure the device's bandwidth"),
    "episodes": Size(600, 600, 12, "of few-shot classification"),
    "readout_images": Size(1000, 1000, 100, "of the readout"),
    "grid_images": Size(128, 128, 16, "of the linear heads"),
    "inverted": Size(8, 8, 2, "images of an inversion"),
    "detection_network": Size("resnet50", "resnet50", "test_resnet", "body of the detectors"),
    "detection_images": Size(1, 2, 1, "of a detector's batch"),
    "detection_size": Size((320, 480), (800, 1216), (64, 96), "height and width; the papers' last"),
    "regions": Size(64, 512, 8, "of an image, in training; the papers' 512"),
    "proposals": Size((6000, 300), (6000, 1000), (50, 10), "before and after suppression"),
    "segmented": Size(
        (1024, 2048), (1024, 2048), (32, 48), "height and width of a segmented image"
    ),
    "cka_images": Size(64, 64, 4, "of a batch of CKA"),
    "cka_batches": Size(2, 2, 1, "of CKA"),
    "cka_size": Size(64, 64, 32, "side in pixels"),
    "stream_images": Size(8000, 8000, 64, "of an epoch from shards in a store"),
    "index_images": Size(100_000_000, 100_000_000, 1000, "of an index that is made up"),
    "error_images": Size(5000, 5000, 20, "of the test set of detections; COCO's has 5,000"),
    "error_detections": Size(36, 36, 36, "of an image; up to 100 in COCO"),
}


def parse(
    arguments: list[str] | None, rows: Collection[str], description: str | None = None
) -> argparse.Namespace:
    """The command line, with every size set.

    Args:
        arguments: of the command; ``None``: the program's.
        rows: names of rows and of sets of rows.
        description: of the program.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", choices=list(rows), metavar="ROW", help="or a set")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--append", type=Path, help="Markdown file that gets the table")
    parser.add_argument("--time-limit", type=float, help="seconds that a row may take")
    parser.add_argument("--total", type=float, help="seconds that all rows together may take")
    parser.add_argument("--logs", type=Path, help="folder for what the rows print, and errors")
    parser.add_argument(
        "--tiny", action="store_true", help="sizes that try the rows, in seconds, and time nothing"
    )
    for name, size in SIZES.items():
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=type(size.cpu[0]) if isinstance(size.cpu, tuple) else type(size.cpu),
            nargs=len(size.cpu) if isinstance(size.cpu, tuple) else None,
            help=f"{size.text} ({size.cpu} on a CPU, {size.cuda} on a GPU)",
        )
    options = parser.parse_args(arguments)
    if options.append and (options.append.is_dir() or not options.append.parent.is_dir()):
        parser.error(f"--append: no file can be made at {options.append}: its folder must be there")
    if options.repeats is not None and options.repeats < 1:
        parser.error(f"--repeats: at least 1, got {options.repeats}")
    for name, size in SIZES.items():
        if getattr(options, name) is None:
            default = size.cuda if options.device == "cuda" else size.cpu
            setattr(options, name, size.tiny if options.tiny else default)
    return options
