"""Time the parts of pretraining beside their peers and their limits, side by side in one run.

    python examples/benchmark.py                             # every row of this machine
    python examples/benchmark.py --rows loss_256 momentum --repeats 20
    python examples/benchmark.py --append docs/benchmarks.md # and keep the table
    python examples/benchmark.py --list                      # what the rows are

Peers are lightly from its package, plain PyTorch and torchvision; a limit is what no program of
this kind can beat (decoding alone, the bare network, the matrix products alone). The contenders of
a row take turns within the run, so that what else the machine does hits all alike; each row has a
process of its own, so that it finds what it would find alone. Printed are medians with half the
distance between the quartiles, and the peer's time over each contender's: timings differ from
machine to machine, ratios hold better.

Rows marked "per core" run on one thread. On a machine with a GPU (``--device cuda``, the default
there) the rows of the GPU run too: bf16, channels_last, compiled and not, peak memory, and training
from JPEG files with all cores.
"""

import argparse
import functools
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import benchmarks.detection
import benchmarks.errors
import benchmarks.inversion
import benchmarks.loss
import benchmarks.similarity
import benchmarks.step
import benchmarks.training
import benchmarks.transfer
import benchmarks.views
import rich
import torch
from benchmarks.memory import peak_memory
from rich.console import Console
from rich.table import Table

Contenders = dict[str, Callable[[], Any]]


class Row(NamedTuple):
    """Contenders that do the same; the first is the peer that the others are compared with.

    Attributes:
        title: what they do.
        make: prepares them, given the options.
        threads: of the CPU; 0 = all.
        pairs: name of the option that holds the pairs of views per call, for a rate; "" = none.
        memory: whether the memory that a call takes is shown.
        device: where the row runs: "cpu", "cuda", or "" for both.
    """

    title: str
    make: Callable[[argparse.Namespace], Contenders]
    threads: int = 0
    pairs: str = ""
    memory: bool = False
    device: str = ""


ROWS = {
    "worker": Row(
        "worker part, two 224 px views of a 500x375 JPEG, per core",
        benchmarks.views.worker,
        threads=1,
        pairs="images",
        device="cpu",
    ),
    "copies": Row(
        "worker part from resized copies, per core",
        benchmarks.views.copies,
        threads=1,
        pairs="images",
        device="cpu",
    ),
    "views_224": Row(
        "whole views, 224 px from JPEG, per core",
        benchmarks.views.whole_224,
        threads=1,
        pairs="images",
        device="cpu",
    ),
    "views_64": Row(
        "whole views, 64 px from memory, per core",
        lambda options: benchmarks.views.from_memory(options, 64),
        threads=1,
        pairs="small_images",
        device="cpu",
    ),
    "views_32": Row(
        "whole views, 32 px from memory, per core",
        lambda options: benchmarks.views.from_memory(options, 32),
        threads=1,
        pairs="small_images",
        device="cpu",
    ),
    "views_device": Row(
        "colours of two 224 px views on the device",
        benchmarks.views.colours,
        pairs="device_images",
        memory=True,
        device="cuda",
    ),
    "views_device_64": Row(
        "whole views, 64 px, images kept on the device",
        benchmarks.views.from_device,
        pairs="device_images",
        memory=True,
        device="cuda",
    ),
    "loss_64": Row(
        "loss, backward, enqueue: B 64, K 65,536",
        lambda options: benchmarks.loss.losses(options, 64, options.queue_size),
        memory=True,
    ),
    "loss_256": Row(
        "loss, backward, enqueue: B 256, K 65,536",
        lambda options: benchmarks.loss.losses(options, 256, options.queue_size),
        memory=True,
    ),
    "loss_imagenet": Row(
        "loss, backward, enqueue: B 64, K 1,281,167",
        lambda options: benchmarks.loss.losses(options, 64, options.long_queue_size),
        memory=True,
    ),
    "momentum": Row("momentum update, ResNet-50", benchmarks.loss.momentum),
    "step_18": Row(
        "MoCo step, ResNet-18, 32 px, B 64",
        lambda options: benchmarks.step.steps(options, "resnet18", 32, 64),
    ),
    "forms": Row(
        "MoCo step, ResNet-18, 32 px, B 64: form of the network",
        benchmarks.step.forms,
        device="cpu",
    ),
    "step_50": Row(
        "MoCo step, ResNet-50, 224 px, B 16",
        lambda options: benchmarks.step.steps(options, "resnet50", 224, 16),
        device="cpu",
    ),
    "step_50_cuda": Row(
        "MoCo step, ResNet-50, 224 px, bf16",
        lambda options: benchmarks.step.device_steps(options, "resnet50", 224),
        memory=True,
        device="cuda",
    ),
    **{
        f"few_shot_{shots}": Row(
            f"few-shot on cached features, 512-d, 5-way {shots}-shot, all episodes, per core",
            functools.partial(benchmarks.transfer.few_shot, shots=shots),
            threads=1,
        )
        for shots in (1, 5, 20)
    },
    "readout": Row(
        "logistic regression, 45 regularisers, 256-d, 20 classes, per core",
        benchmarks.transfer.readouts,
        threads=1,
    ),
    "linear_grid": Row("12 linear heads on ResNet-18, 64 px, an epoch", benchmarks.transfer.grid),
    **{
        f"detection_{part}{'_masks' * masks}": Row(
            f"{'Mask' if masks else 'Faster'} R-CNN, R50-C4, {part}",
            functools.partial(getattr(benchmarks.detection, part), masks=masks),
        )
        for masks in (False, True)
        for part in ("train", "test")
    },
    "cka": Row(
        "CKA of 18 layers of two ResNet-18s, 64 px, B 64, per core",
        benchmarks.similarity.one_map,
        threads=1,
    ),
    "cka_maps": Row(
        "CKA of 18 layers, all 6 maps of three ResNet-18s, 64 px, B 64, per core",
        benchmarks.similarity.all_maps,
        threads=1,
    ),
    "errors": Row(
        "errors of detections (TIDE), 5,000 images, 180,000 detections, per core",
        benchmarks.errors.errors,
        threads=1,
        device="cpu",
    ),
    "inversion_64": Row(
        "feature inversion, a step, 64 px, 32 channels, ResNet-18, per core",
        benchmarks.inversion.small,
        threads=1,
    ),
    "inversion_224": Row(
        "feature inversion, a step, 224 px, recipe of Zhao et al., ResNet-50",
        benchmarks.inversion.published,
    ),
    "trainer": Row(
        "a step of a tiny model under Lightning's Trainer",
        benchmarks.training.trainer,
        device="cpu",
    ),
    "end_to_end_50": Row(
        "training, ResNet-50, 224 px, bf16, from JPEG files",
        benchmarks.training.end_to_end_50,
        device="cuda",
    ),
    "end_to_end_18": Row(
        "training, ResNet-18, 64 px, bf16, images on the device",
        benchmarks.training.end_to_end_18,
        device="cuda",
    ),
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), metavar="ROW")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--append", type=Path, help="Markdown file that gets the table")
    parser.add_argument("--queue-size", type=int, default=65536)
    parser.add_argument("--long-queue-size", type=int, default=1_281_167)
    parser.add_argument("--images", type=int, default=32, help="JPEG images per call")
    parser.add_argument("--small-images", type=int, default=256, help="images in memory per call")
    parser.add_argument("--device-images", type=int, default=256, help="images per call on a GPU")
    parser.add_argument("--files", type=int, default=4096, help="JPEG files of a training run")
    parser.add_argument("--episodes", type=int, default=600, help="of few-shot classification")
    parser.add_argument("--readout-images", type=int, default=1000, help="of the readout")
    parser.add_argument("--grid-images", type=int, default=128, help="of the linear heads")
    parser.add_argument("--inverted", type=int, default=8, help="images of an inversion")
    benchmarks.detection.add_arguments(parser)
    benchmarks.similarity.add_arguments(parser)
    benchmarks.errors.add_arguments(parser)
    parser.add_argument("--steps", type=int, default=100, help="steps of a training run")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of a training run")
    options = parser.parse_args(arguments)
    if options.rows is None:
        options.rows = [name for name, row in ROWS.items() if row.device in ("", options.device)]
    return options


def measure_row(name: str, options: argparse.Namespace) -> list[list[str]]:
    """The lines of a row in the table, one for each contender."""
    row = ROWS[name]
    torch.set_num_threads(row.threads or torch.get_num_threads())
    contenders = row.make(options)
    times = measure(contenders, options.repeats, options.device)
    peer = statistics.median(next(iter(times.values())))
    lines = []
    for contender, taken in times.items():
        median = statistics.median(taken)
        low, _, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else (median,) * 3
        pairs = getattr(options, row.pairs) if row.pairs else 0
        memory = peak_memory(contenders[contender], options.device) if row.memory else 0
        lines.append(
            [
                contender,
                f"{median:.3g} ± {(high - low) / 2:.2g}",
                f"{1000 * pairs / median:,.0f}" if pairs else "",
                f"{memory / 2**20:,.0f}" if row.memory else "",
                f"{peer / median:.2f}",
            ]
        )
    return lines


def measure(contenders: Contenders, repeats: int, device: str) -> dict[str, list[float]]:
    """Milliseconds of each call, the contenders taking turns; a call may time itself.

    Each time in another order, for who follows a contender that fills the processor's cache with
    its own takes longer: nearly twice with a queue of 65,536.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    order, rng = list(contenders), random.Random(0)
    for repeat in range(repeats + 2):
        rng.shuffle(order)
        for name in order:
            start = time.perf_counter()
            own = contenders[name]()
            if device == "cuda":
                torch.cuda.synchronize()
            if repeat >= 2:  # the first two warm up, and compile
                taken = own if isinstance(own, float) else time.perf_counter() - start
                times[name].append(1000 * taken)
    return times


def main(arguments: list[str] | None = None) -> Table:
    """Measures the rows and prints the table."""
    options = parse_arguments(arguments)
    if options.list:
        rich.print({name: row.title for name, row in ROWS.items()})
        return Table()
    columns = ("", "ms, median ± spread", "pairs/s", "MiB", "peer's time / this")
    table = Table(title=describe(options.device))
    for column in columns:
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    lines = []
    for name in options.rows:
        # Memory that one row leaves with the allocator changed the times of the next by a tenth.
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            cells = process.submit(measure_row, name, options).result()
        title = ROWS[name].title
        table.add_row(f"[bold]{title}")
        for line in cells:
            table.add_row(*line)
        lines += [[f"**{title}**", "", "", "", ""], *cells]
    Console(width=max(110, rich.get_console().width)).print(table)
    if options.append:
        append(options.append, columns, lines, options.device, arguments)
    return table


def append(
    path: Path,
    columns: tuple[str, ...],
    lines: list[list[str]],
    device: str,
    arguments: list[str] | None,
) -> None:
    """Adds the table to a Markdown file, with the command, versions and hardware."""
    command = " ".join(["python examples/benchmark.py", *(arguments or sys.argv[1:])])
    rows = [list(columns), ["---", "---:", "---:", "---:", "---:"], *lines]
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    with path.open("a", encoding="utf-8") as file:
        heading = f"## {time.strftime('%Y-%m-%d')}: {hardware(device)}"
        file.write(f"\n{heading}\n\n```bash\n{command}\n```\n\n{describe(device)}\n\n{text}\n")


def describe(device: str) -> str:
    """Versions, and what they ran on."""
    names = ("torch", "torchvision", "pytorch-lightning", "lightly")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{versions}; {hardware(device)}"


def hardware(device: str) -> str:
    """The machine in words."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line]
        processor = names[0].split(":")[1].strip() if names else processor
    capability = torch.backends.cpu.get_cpu_capability()
    cpu = f"{processor}, {os.cpu_count()} cores, {capability}"
    return f"{torch.cuda.get_device_name()}, {cpu}" if device == "cuda" else cpu


if __name__ == "__main__":
    main()
