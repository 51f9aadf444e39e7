"""Linear evaluation of checkpoints on a folder of images: what a frozen backbone is worth.

    python examples/linear.py --train eurosat/train --test eurosat/test \
        --checkpoint moco.safetensors --checkpoint supervised.safetensors --protocol grid

Protocols: ``grid``, that of Islam et al. (2021), its 12 recipes trained in one pass; ``moco``,
MoCo's ImageNet recipe; ``readout``, logistic regression on features computed once, the best of 45
regularisers; ``stages``, kNN and readout of every stage. Without a checkpoint the backbone is
random. One JSON line per result goes to OUT/linear.jsonl.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import rich
import torch
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

import instdisc
from instdisc.checkpoint import backbone_origin, load_backbone
from instdisc.data import ImageFolder, ImageSource
from instdisc.report import append_records, results_table
from instdisc.transfer import (
    evaluate_linear_grid,
    evaluate_moco_linear,
    evaluate_readout,
    evaluate_stages,
    extract_features,
)

PROTOCOLS = ("grid", "moco", "readout", "stages")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", required=True, type=Path, help="folder of class folders")
    parser.add_argument("--test", required=True, type=Path, help="the same classes, to test on")
    parser.add_argument("--checkpoint", action="append", default=[], help="may be repeated")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="grid")
    parser.add_argument("--backbone", default="resnet50", help="of the random one")
    parser.add_argument("--epochs", type=int, help="default: the protocol's")
    parser.add_argument("--tune-epochs", type=int, default=20, help="of the grid")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--dataset", help="its name; default: the folder above --train")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/linear"))
    return parser.parse_args(arguments)


class ImagesPerSecond(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.0f} images/s")


def evaluate(
    backbone: instdisc.Backbone,
    train: ImageSource,
    test: ImageSource,
    options: argparse.Namespace,
    about: dict,
    progress: Callable[[int, int], None],
) -> list[instdisc.Record]:
    """The records of one backbone."""
    reading = {
        "image_size": options.image_size,
        "num_workers": options.workers,
        "device": options.device,
    }
    epochs = {} if options.epochs is None else {"epochs": options.epochs}
    if options.protocol == "grid":
        epochs["tune_epochs"] = options.tune_epochs
        return evaluate_linear_grid(
            backbone, train, test, **about, **reading, **epochs, progress=progress
        )
    if options.protocol == "moco":
        return evaluate_moco_linear(
            backbone, train, test, **about, **reading, **epochs, progress=progress
        )
    if options.protocol == "stages":
        return evaluate_stages(backbone, train, test, **about, **reading)
    features = [extract_features(backbone, images, **reading) for images in (train, test)]
    return evaluate_readout(*features, **about, device=options.device)


def names(checkpoints: list[str]) -> list[tuple[str, str]]:
    """Each checkpoint with its method's name, or its path where that would not tell them apart."""
    if not checkpoints:
        return [("", "random")]
    methods = [backbone_origin(path)[0] for path in checkpoints]
    unique = len(set(methods)) == len(methods)
    return list(zip(checkpoints, methods if unique else checkpoints, strict=True))


def main(arguments: list[str] | None = None) -> list[instdisc.Record]:
    """Evaluates every checkpoint and prints the table."""
    options = parse_arguments(arguments)
    train, test = ImageFolder(options.train), ImageFolder(options.test)
    columns = [TextColumn("{task.description}"), BarColumn(), ImagesPerSecond()]
    records = []
    with Progress(*columns, TimeRemainingColumn()) as bar:
        for checkpoint, name in names(options.checkpoint):
            task = bar.add_task(name, total=None)
            torch.manual_seed(options.seed)  # of a random backbone's weights
            backbone = (
                load_backbone(checkpoint) if checkpoint else instdisc.Backbone(options.backbone)
            )
            about = {
                "dataset": options.dataset or options.train.absolute().parent.name,
                "method": name,
                "checkpoint": checkpoint,
                "seed": options.seed,
            }
            found = evaluate(
                *(backbone, train, test, options, about),
                lambda done, total, task=task: bar.update(task, completed=done, total=total),
            )
            bar.update(task, completed=1, total=1)
            append_records(found, options.out / "linear.jsonl")
            records += found
    title = f"{options.protocol}, {options.image_size} px"
    rich.print(results_table(records, title=title, rows="results"))
    return records


if __name__ == "__main__":
    main()
