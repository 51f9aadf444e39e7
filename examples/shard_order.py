"""How well an epoch's order mixes images that lie in shards, next to a uniform order.

    python examples/shard_order.py                          # 147 shards of 8,716 images: ImageNet
    python examples/shard_order.py --shards 10000 --images 10000 --windows 32 --batches 20

Looked at are batches at equal distances, each beside the images before it that a queue holds. The
last column is the time of one core that the order takes.
"""

import argparse
import time

import numpy as np
import rich
import torch
from rich.table import Table
from torch import Tensor

from instdisc.data.images.order import draw_by_shards
from instdisc.data.sampling import draw_order

COLUMNS = (
    "shards in a batch",
    "two images of a batch are of one shard",
    "worst batch",
    "image and image of the queue are of one shard",
    "shards in the queue",
    "seconds",
)


def main(arguments: list[str] | None = None) -> None:
    """Prints a row for the uniform order and for each window."""
    options = parse_arguments(arguments)
    torch.set_num_threads(1)
    table = Table(box=rich.box.MARKDOWN)
    table.add_column("order", no_wrap=True, min_width=10)
    for name in COLUMNS:
        table.add_column(name)
    orders = {"uniform": lambda: draw_order(options.shards * options.images, 0)}
    for window in options.windows:
        orders[f"window={window}"] = lambda window=window: (
            draw_by_shards(
                np.full(options.shards, options.images), seed=0, window=window, lanes=options.lanes
            ).rows
        )
    for name, draw in orders.items():
        begin = time.process_time()
        rows = draw()
        took = time.process_time() - begin
        table.add_row(name, *measure(rows, options), f"{took:.2f}")
    rich.print(table)


def measure(rows: Tensor, options: argparse.Namespace) -> list[str]:
    """The columns between the order's name and its time.

    Args:
        rows: ``(N,)`` images in their order.
        options: of the command line.
    """
    shards = (rows // options.images).numpy()
    size, queue = options.batch, options.queue
    in_batch, alike, in_queue, alike_in_queue = [], [], [], []
    for first in np.linspace(0, len(rows) - size, options.batches).astype(int):
        counts = np.bincount(shards[first : first + size], minlength=options.shards)
        in_batch.append((counts > 0).sum())
        alike.append((counts * (counts - 1)).sum() / (size * (size - 1)))
        if first >= queue:
            before = np.bincount(shards[first - queue : first], minlength=options.shards)
            in_queue.append((before > 0).sum())
            alike_in_queue.append((counts * before).sum() / (size * queue))
    return [
        f"{np.mean(in_batch):.0f}",
        f"{np.mean(alike):.1%}",
        f"{np.max(alike):.1%}",
        f"{np.mean(alike_in_queue):.1%}" if alike_in_queue else "",
        f"{np.mean(in_queue):.0f}" if in_queue else "",
    ]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, default=147)
    parser.add_argument("--images", type=int, default=8716, help="of a shard")
    parser.add_argument("--windows", type=int, nargs="+", default=[8, 16, 32, 64, 147])
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--batch", type=int, default=256, help="images of a step")
    parser.add_argument("--queue", type=int, default=65_536, help="keys")
    parser.add_argument("--batches", type=int, default=200, help="that are looked at")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
