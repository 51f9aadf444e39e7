"""Copy a folder of large images once with a short side of 256 pixels: they then decode faster.

    python examples/resize.py imagenet/train imagenet_256/train
    python examples/pretrain.py --config ... --data.images imagenet_256/train

Classes, order and labels stay the same. Run it again to go on after a stop: what is there and
whole is kept.
"""

import argparse
from pathlib import Path

import rich
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


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of class folders, or of images")
    parser.add_argument("target", type=Path, help="folder for the copies")
    parser.add_argument("--short-side", type=int, default=256, help="in pixels")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEG encoder, 1 to 100")
    parser.add_argument("--threads", type=int, help="default: one for each CPU")
    parser.add_argument("--recheck", action="store_true", help="decode the copies made earlier too")
    parser.add_argument("--on-unreadable", choices=["raise", "skip"], default="raise")
    return parser.parse_args(arguments)


class ImagesPerSecond(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.0f} images/s")


def main(arguments: list[str] | None = None) -> ImageFiles:
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


if __name__ == "__main__":
    main()
