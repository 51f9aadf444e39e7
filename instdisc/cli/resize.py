"""Copy a folder of large images once with a short side of 256 pixels: they then decode faster.

    instdisc resize imagenet/train imagenet_256/train
    instdisc pretrain --config ... --data.images imagenet_256/train

Classes, order and labels stay the same. Run it again to go on after a stop: complete
copies are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import rich
from jsonargparse import Namespace
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from instdisc.data import ImageFiles, ImageFolder, resize_copy

from .parsing import command_parser


def parse_arguments(arguments: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    parser = command_parser("resize", __doc__)
    parser.add_argument("source", type=Path, help="folder of class folders, or of images")
    parser.add_argument("target", type=Path, help="folder for the copies")
    parser.add_argument("--short-side", type=int, default=256, help="in pixels")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEG encoder, 1 to 100")
    parser.add_argument("--threads", type=int | None, help="default: one for each CPU")
    parser.add_argument("--recheck", action="store_true", help="decode the copies made earlier too")
    parser.add_argument("--on-unreadable", choices=["raise", "skip"], default="raise")
    return parser.parse_args(sys.argv[1:] if arguments is None else arguments)


class ImagesPerSecond(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.0f} images/s")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc resize``."""
    run(arguments)
    return 0


def run(arguments: Sequence[str] | None = None) -> ImageFiles:
    """Makes the copies."""
    options = parse_arguments(arguments)
    images = ImageFolder(options.source, on_unreadable=options.on_unreadable)
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(ImagesPerSecond(), TimeRemainingColumn()),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(f"resizing to {options.short_side}", total=len(images))
        copies = resize_copy(
            images,
            options.target,
            short_side=options.short_side,
            quality=options.quality,
            num_threads=options.threads,
            recheck=options.recheck,
            progress=lambda done, _: bar.update(task, completed=done),
        )
    rich.print(f"{len(copies)} of {len(images)} images in {options.target}")
    return copies
