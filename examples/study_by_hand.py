"""A cell of the study by hand, as people do it today, beside ours: seconds and values.

    python examples/study_by_hand.py --data-root data

By hand is lightly's script of MoCo on torchvision's transforms, lightly's kNN, and loops over
scikit-learn's LogisticRegression on the features of a plain loop (`benchmarks/by_hand.py`). Both
sides do the same: the same network, recipe and number of steps, then the same images, penalties and
episodes, on the features of one network. They take turns, and each is timed by the seconds that a
single core computes for it, so that what else a machine does counts for neither.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import rich
import torch
from benchmarks import by_hand
from rich.table import Table
from threadpoolctl import threadpool_limits

import instdisc
from instdisc.data import (
    ImageFolder,
    ImageSource,
    ImageSubset,
    StratifiedSubset,
    draw_episodes,
    open_images,
    view_policy,
)
from instdisc.data.layout import Part
from instdisc.transfer import (
    Features,
    evaluate_few_shot,
    evaluate_knn,
    evaluate_readout,
    extract_features,
)

BACKBONE = {"name": "resnet10t", "channels": (16, 32, 64, 128), "stem_width": 16}
RECIPE: dict[str, Any] = {
    **{"learning_rate": 0.06, "weight_decay": 5e-4, "momentum": 0.99},
    **{"temperature": 0.1, "queue_size": 4096, "projection_dim": 128},
}
PENALTIES = tuple(10.0**power for power in range(-6, 6))
SHOTS = (1, 5, 20)
PARTS: tuple[Part, ...] = ("train", "test")
NEIGHBOURS = {"k": 20, "temperature": 0.07}
SOURCE = "cifar10_mini"


class Line(NamedTuple):
    """A part of the cell.

    Attributes:
        part: what is done.
        dataset: on what.
        by_hand: seconds of one core.
        ours: likewise.
        by_hand_value: in percent; ``None`` if it has none.
        our_value: likewise.
        noise: half of our value's 95 % interval.
    """

    part: str
    dataset: str
    by_hand: float
    ours: float
    by_hand_value: float | None = None
    our_value: float | None = None
    noise: float | None = None


def main(arguments: list[str] | None = None) -> list[Line]:
    """Runs both sides; returns the lines of the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--targets", nargs="*", default=["eurosat", "flowers17"])
    parser.add_argument("--steps", type=int, default=175, help="of the pretraining")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--per-class", type=int, default=500, help="of the source, to learn from")
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0, help="of the pretraining")
    parser.add_argument("--repeats", type=int, default=3, help="turns; the median counts")
    options = parser.parse_args(arguments)
    lines = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            for line in measure(options):
                lines.append(line)
                print(", ".join(filter(None, cells(line))), flush=True)
    finally:
        torch.set_num_threads(threads)
    rich.print(as_table(lines))
    return lines


def measure(options: argparse.Namespace) -> Iterator[Line]:
    """The lines, part by part."""
    folder, size = options.data_root / SOURCE, options.image_size
    source = StratifiedSubset(ImageFolder(folder / "train"), per_class=options.per_class)
    sets: dict[str, list[ImageSource]] = {SOURCE: [source, ImageFolder(folder / "test")]}
    for name in options.targets:
        sets[name] = [open_images(name, options.data_root, part=part) for part in PARTS]
    *seconds, net, backbone = pretraining(options, folder / "train")
    theirs = instdisc.Backbone(**BACKBONE, stem="no_pool")
    theirs.net.load_state_dict(net.state_dict())
    worth = [
        evaluate_knn(*(extract_features(each, part, image_size=size) for part in sets[SOURCE]))
        for each in (theirs, backbone)
    ]
    title = f"pretraining, {options.steps} steps; then kNN"
    yield Line(title, SOURCE, *seconds, *(record.value for record in worth), worth[1].ci)
    for name, parts in sets.items():
        yield from frozen(options, name, parts, backbone)


def pretraining(
    options: argparse.Namespace, folder: Path
) -> tuple[float, float, torch.nn.Module, instdisc.Backbone]:
    """Seconds by hand and of ours, and the networks that they gave."""
    pl.seed_everything(options.seed, verbose=False)
    first = instdisc.Backbone(**BACKBONE, stem="no_pool")

    def hand() -> torch.nn.Module:
        net = by_hand.make_network({**BACKBONE})
        net.load_state_dict(first.net.state_dict())
        return by_hand.pretrain(
            net,
            folder,
            size=options.image_size,
            steps=options.steps,
            batch_size=options.batch_size,
            recipe=RECIPE,
        )

    def ours() -> instdisc.Backbone:
        backbone = instdisc.Backbone(**BACKBONE, stem="no_pool")
        backbone.load_state_dict(first.state_dict())
        data = instdisc.ViewData(
            ImageFolder(folder),
            policy=view_policy("zhao_frcg", options.image_size),
            image_size=options.image_size,
            batch_size=options.batch_size,
            seed=options.seed,
            keep="memory",
        )
        module = instdisc.MoCoModule(
            backbone, **RECIPE, reference_batch=None, batch_norm_groups=4, channels_last=True
        )
        trainer = pl.Trainer(
            max_steps=options.steps,
            limit_val_batches=0,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, datamodule=data)
        return backbone

    seconds, (net, backbone) = in_turns(options, [hand, ours])
    return *seconds, net, backbone


def frozen(
    options: argparse.Namespace,
    name: str,
    parts: Sequence[ImageSource],
    backbone: instdisc.Backbone,
) -> Iterator[Line]:
    """Features, kNN, readout and few-shot of a set."""
    size = options.image_size
    files = [files_of(part) for part in parts]

    def hand() -> list[by_hand.Table]:
        labels = [part.labels.tolist() for part in parts]
        return [
            by_hand.extract(backbone.net, *both, size) for both in zip(files, labels, strict=True)
        ]

    def ours() -> list[Features]:
        return [extract_features(backbone, part, image_size=size) for part in parts]

    seconds, (tables, features) = in_turns(options, [hand, ours])
    yield Line("features", name, *seconds)

    def compare(part: str, hand: Callable[[], float], ours: Callable[[], instdisc.Record]) -> Line:
        seconds, (value, record) = in_turns(options, [hand, ours])
        return Line(part, name, *seconds, value, record.value, record.ci)

    yield compare(
        "kNN",
        lambda: by_hand.knn(*tables, **NEIGHBOURS),
        lambda: evaluate_knn(*features, **NEIGHBOURS),
    )
    for exact in (False, True):
        yield compare(
            f"readout, {len(PENALTIES)} penalties" + ", both to 1e-6" * exact,
            partial(by_hand.readout, *tables, PENALTIES, exact=exact),
            partial(first_record, evaluate_readout, *features, penalties=PENALTIES),
        )
    if name == SOURCE:
        return
    every = Features.join(features)
    table = tuple(np.concatenate(both) for both in zip(*tables, strict=True))
    drawn = draw_episodes(every.labels, shots=max(SHOTS), episodes=options.episodes)
    for shots in SHOTS:
        some = drawn.first(shots)
        shown, asked = some.support.numpy(), some.queries.numpy()
        yield compare(
            f"few-shot, {options.episodes} episodes, {shots} shots",
            partial(by_hand.few_shot, table, shown, asked),
            partial(first_record, evaluate_few_shot, every, shots=[shots], episodes=some),
        )


def first_record(function: Callable[..., list[instdisc.Record]], *inputs: Any, **named: Any) -> Any:
    """The head record of a task."""
    return function(*inputs, **named)[0]


def files_of(images: ImageSource) -> list[Path]:
    """Where the images lie."""
    rows = torch.arange(len(images))
    while isinstance(images, ImageSubset):
        rows, images = images.positions[rows], images.images
    return [images.path(row) for row in rows.tolist()]


def in_turns(
    options: argparse.Namespace, calls: Sequence[Callable[[], Any]]
) -> tuple[list[float], list[Any]]:
    """Of each call the median of its seconds on a core, and what it gave last."""
    times: list[list[float]] = [[] for _ in calls]
    results: list[Any] = [None for _ in calls]
    for _ in range(options.repeats):
        for place, call in enumerate(calls):
            pl.seed_everything(options.seed, verbose=False)
            begin = time.process_time()
            results[place] = call()
            times[place].append(time.process_time() - begin)
    return [statistics.median(each) for each in times], results


def cells(line: Line) -> list[str]:
    """What the table says of a part."""

    def percent(value: float | None) -> str:
        return "" if value is None else f"{value:.1f} %"

    noise = "" if line.noise is None else f"± {line.noise:.1f}"
    return [
        *(line.part, line.dataset, f"{line.by_hand:.2f} s", f"{line.ours:.2f} s"),
        f"{line.by_hand / max(line.ours, 1e-9):.1f} x",
        *(percent(line.by_hand_value), percent(line.our_value), noise),
    ]


def as_table(lines: Sequence[Line]) -> Table:
    """The lines, and the sums of their seconds."""
    total = Line("all", "", sum(line.by_hand for line in lines), sum(line.ours for line in lines))
    table = Table(title="Seconds of one core, and accuracies")
    for title in ("part", "set", "by hand", "ours", "ratio", "by hand", "ours", "noise"):
        table.add_column(title, justify="left" if title in ("part", "set") else "right")
    for line in [*lines, total]:
        table.add_row(*cells(line))
    return table


if __name__ == "__main__":
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    main()
