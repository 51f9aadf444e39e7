"""Time the pretraining step beside the same step built from lightly's parts, in one run.

    python examples/benchmark.py                          # on this machine's CPU or GPU
    python examples/benchmark.py --rows resnet18 --repeats 20

Prints one table: medians with their spread (half the distance between the quartiles), and the
ratio of lightly's time to ours. Timings differ from machine to machine; ratios hold better. The
two steps alternate within the run, so that what else the machine does hits both alike.
"""

import argparse
import copy
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import rich
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle, update_momentum
from rich.table import Table
from torch import Tensor, nn

import instdisc
from instdisc.distributed import shuffle, unshuffle
from instdisc.methods import Contrast
from instdisc.models import split_batch_norm

ROWS = {  # name: backbone, its options, image size, batch
    "resnet18": ("resnet18", {}, 32, 64),
    "resnet50": ("resnet50", {}, 224, 16),
}


class Ours:
    """One optimiser step of MoCo as `MoCoModule` takes it."""

    def __init__(self, backbone: instdisc.Backbone, queue_size: int, groups: int) -> None:
        device = next(backbone.parameters()).device
        self.backbone = split_batch_norm(backbone, groups)
        self.slow = instdisc.MomentumEncoder(self.backbone)
        loss = instdisc.InstanceDiscriminationLoss(0.2)
        self.contrast = Contrast(backbone.dim, loss, queue_size=queue_size).to(device)
        parameters = [*backbone.parameters(), *self.contrast.projector.parameters()]
        self.optimizer = torch.optim.SGD(parameters, 0.03, momentum=0.9, weight_decay=1e-4)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        mixed, order = shuffle(images[1], seed=0)
        key = unshuffle(self.slow(mixed), order)
        loss = self.contrast([self.backbone(images[0])], key, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.contrast.after_backward()
        self.optimizer.step()
        self.slow.update(self.backbone)
        self.contrast.after_step()


class Lightly:
    """The same step from lightly's loss, head, shuffling and momentum update."""

    def __init__(self, backbone: instdisc.Backbone, queue_size: int) -> None:
        device = next(backbone.parameters()).device
        self.backbone = backbone
        self.head = MoCoProjectionHead(backbone.dim, backbone.dim, 128).to(device)
        self.slow_backbone = copy.deepcopy(backbone).requires_grad_(False)
        self.slow_head = copy.deepcopy(self.head).requires_grad_(False)
        self.loss = NTXentLoss(temperature=0.2, memory_bank_size=(queue_size, 128)).to(device)
        parameters = [*backbone.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.SGD(parameters, 0.03, momentum=0.9, weight_decay=1e-4)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        update_momentum(self.backbone, self.slow_backbone, 0.999)
        update_momentum(self.head, self.slow_head, 0.999)
        query = self.head(self.backbone(images[0]))
        with torch.no_grad():
            mixed, order = batch_shuffle(images[1])
            key = batch_unshuffle(self.slow_head(self.slow_backbone(mixed)), order)
        loss = self.loss(query, key)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class Bare:
    """The network alone: query forward and backward, key forward, optimiser."""

    def __init__(self, backbone: instdisc.Backbone) -> None:
        self.backbone = backbone
        self.slow = copy.deepcopy(backbone).requires_grad_(False)
        self.optimizer = torch.optim.SGD(backbone.parameters(), 0.03, momentum=0.9)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        with torch.no_grad():
            self.slow(images[1])
        self.optimizer.zero_grad()
        self.backbone(images[0]).sum().backward()
        self.optimizer.step()


def measure(
    steps: dict[str, Callable[[Sequence[Tensor], Tensor], None]],
    batch: tuple[Sequence[Tensor], Tensor],
    repeats: int,
    device: str,
    autocast: bool,
) -> dict[str, list[float]]:
    """Milliseconds of each step, the steps taking turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            with torch.autocast(device, dtype=torch.bfloat16, enabled=autocast):
                step(*batch)
            if device == "cuda":
                torch.cuda.synchronize()
            if repeat >= 2:  # the first two warm up
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def main(arguments: list[str] | None = None) -> Table:
    """Measures the rows and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--queue-size", type=int, default=65536)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)

    table = Table(title=describe(options.device))
    for column in ("MoCo step", "ms, median ± spread", "lightly's time / this"):
        table.add_column(column, justify="right")
    for row in options.rows:
        name, timm_options, size, count = ROWS[row]
        images = [torch.randn(count, 3, size, size, device=device) for _ in range(2)]
        labels = torch.zeros(count, dtype=torch.long, device=device)
        backbone: nn.Module = instdisc.Backbone(name, **timm_options).to(device)
        steps = {
            "lightly": Lightly(copy.deepcopy(backbone), options.queue_size),
            "ours, plain batch norm": Ours(copy.deepcopy(backbone), options.queue_size, 1),
            "ours, 2 groups": Ours(copy.deepcopy(backbone), options.queue_size, 2),
            "bare network": Bare(copy.deepcopy(backbone)),
        }
        times = measure(steps, (images, labels), options.repeats, options.device, options.bf16)
        reference = statistics.median(times["lightly"])
        for step, taken in times.items():
            median = statistics.median(taken)
            low, _, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else (median,) * 3
            table.add_row(
                f"{row} {size} px, B {count}: {step}",
                f"{median:.0f} ± {(high - low) / 2:.0f}",
                f"{reference / median:.2f}",
            )
    rich.print(table)
    return table


def describe(device: str) -> str:
    """What was measured on what."""
    import lightly

    where = torch.cuda.get_device_name() if device == "cuda" else platform.processor()
    return (
        f"torch {torch.__version__}, lightly {lightly.__version__}, "
        f"{where or platform.machine()}, {torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
