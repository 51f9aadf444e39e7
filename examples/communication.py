"""What processes tell each other in a step, method by method, and what that costs on many GPUs.

    python examples/communication.py                         # bytes of each method, ResNet-50
    python examples/communication.py --images 32 --view-bytes 4
    python examples/communication.py --efficiency 75.7       # ms of a step of MoCo on one GPU
    python examples/communication.py --check                 # the model on two processes here

Bytes are those that each process hands over; `benchmarks/communication.py` says for what, and a
test counts them on two processes. The efficiency is a model, whose assumptions are printed with it
and written in `benchmarks/scaling_model.py`.
"""

import argparse

import rich
import torch
from benchmarks.communication import Message, step_messages
from benchmarks.scaling_model import Cluster, Link, model_step
from benchmarks.two_processes import compare
from rich.table import Table

import instdisc

METHODS = {
    "MoCo, exemplar, SupCon with a queue": instdisc.MoCoModule,
    "cross-entropy": lambda net: instdisc.SupervisedModule(net, num_classes=1000),
    "cross-entropy and MoCo": lambda net: instdisc.CrossEntropyMoCoModule(net, num_classes=1000),
    "SupCon and MoCo": instdisc.SupConMoCoModule,
    "InstDisc": lambda net: instdisc.InstDiscModule(net, num_images=2),
    "SimCLR": instdisc.SimCLRModule,
    "SupCon in the batch": instdisc.InBatchSupConModule,
    "BYOL": instdisc.BYOLModule,
    "SimSiam": instdisc.SimSiamModule,
    "MoCo v3": instdisc.MoCoV3Module,
    "NNCLR": instdisc.NNCLRModule,
    "Barlow Twins": instdisc.BarlowTwinsModule,
    "VICReg": instdisc.VICRegModule,
    "DINO": instdisc.DINOModule,
}
COLUMNS = ("gradients", "buffers", "images", "statistics", "keys", "slopes", "labels", "centre")
# Rates that all-reduces reach: NVLink 4 has 450 GB/s by name, and of a network it is 80 %.
NVLINK = Link(rate=300e9, delay=3e-6)
NETWORKS = {gigabits: Link(0.8 * gigabits * 1e9 / 8, 10e-6) for gigabits in (100, 200, 400)}
GPUS = (1, 2, 4, 8, 16, 32, 64)


def main(arguments: list[str] | None = None) -> None:
    """Prints what is asked for."""
    options = parse_arguments(arguments)
    if options.check:
        check(options)
    elif options.efficiency:
        print_efficiency(options)
    else:
        print_bytes(options)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="resnet50", help="its name")
    parser.add_argument("--size", type=int, default=224, help="of the views, in pixels")
    parser.add_argument("--images", type=int, default=256, help="of a process")
    parser.add_argument("--processes", type=int, default=8, help="that share a step")
    parser.add_argument("--view-bytes", type=int, default=2, help="of a number in the views")
    parser.add_argument("--efficiency", type=float, help="ms of a step of 256 images on one GPU")
    parser.add_argument("--check", action="store_true", help="time two processes here")
    parser.add_argument("--steps", type=int, default=10, help="that are timed")
    return parser.parse_args(arguments)


def messages_of(method: str, options: argparse.Namespace, processes: int) -> list[Message]:
    """Those of a step; nothing is computed, so the network needs no memory."""
    with torch.device("meta"):
        module = METHODS[method](instdisc.Backbone(options.backbone))
    views = max(max(term.queries) for term in module.objectives.values()) + 2
    sizes = [options.size] * 2 + [options.size * 3 // 7] * views
    return step_messages(
        module,
        sizes,
        images=options.images,
        processes=processes,
        view_bytes=options.view_bytes,
        feature_bytes=options.view_bytes,
    )


def print_bytes(options: argparse.Namespace) -> None:
    """A line for each method, in MB that a process hands over."""
    title = f"{options.backbone}, {options.images} images on each of {options.processes} processes"
    table = Table("MB", *COLUMNS, "all", title=f"{title}, views of {options.size} pixels")
    for method in METHODS:
        messages = messages_of(method, options, options.processes)
        sums = [sum(m.num_bytes for m in messages if m.what == what) for what in COLUMNS]
        sums.append(sum(m.num_bytes for m in messages))
        table.add_row(method, *(f"{value / 1e6:.3g}" if value else "" for value in sums))
    rich.print(table)


def print_efficiency(options: argparse.Namespace) -> None:
    """MoCo's share of the step that is computed, by GPUs and network."""
    computed = options.efficiency / 1e3 * options.images / 256
    print(
        f"{options.images} images on a GPU in {1e3 * computed:.1f} ms, half of it backwards; nodes "
        f"of 8 with NVLink at {NVLINK.rate / 1e9:.0f} GB/s, {1e6 * NVLINK.delay:.0f} us a hop; one "
        "network card for a node at 80 % of its rate, 10 us a hop"
    )
    table = Table("GPUs", *(f"{gigabits} Gb/s" for gigabits in NETWORKS))
    for processes in GPUS:
        messages = messages_of(next(iter(METHODS)), options, processes)
        cells = []
        for network in NETWORKS.values():
            step = model_step(messages, Cluster(NVLINK, network), processes, computed=computed)
            cells.append(f"{step.efficiency:.0%}  ({1e3 * step.total:.1f} ms)")
        table.add_row(str(processes), *cells)
    rich.print(table)


def check(options: argparse.Namespace) -> None:
    """The model beside two processes of this machine."""
    found = compare(
        backbone=options.backbone, size=options.size, images=options.images, steps=options.steps
    )
    link, step = found.link, found.modelled
    print(f"gloo: {link.rate / 1e9:.2f} GB/s, {1e6 * link.delay:.0f} us a hop")
    print(
        f"MoCo of a {options.backbone}, {options.images} images of {options.size} pixels on each: "
        f"computed alone {1e3 * step.computed:.0f} ms, messages {1e3 * step.waited:.0f} ms, so "
        f"{1e3 * step.total:.0f} ms on paper and {1e3 * found.measured:.0f} ms measured: "
        f"{found.measured / step.total - 1:+.0%}"
    )


if __name__ == "__main__":
    main()
