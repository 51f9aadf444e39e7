"""A source in loaders: going on within an epoch, workers.

Legend: B batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from instdisc.data import (
    EpochOrder,
    ImageSource,
    ReadAhead,
    ViewDataset,
    ViewLoader,
    view_policy,
)
from instdisc.data.views.dataset import RawViews, UncutViews
from instdisc.types import Views

from .watching import check

BATCH = 4


def check_resumed_loader(source: ImageSource, again: ImageSource, positions: Sequence[int]) -> None:
    """A loader that goes on within an epoch, on a set made again, gives the rest of it.

    Args:
        source: what is checked.
        again: the same set, made again.
        positions: of images that can be read.

    Raises:
        AssertionError: if it gives something else.
    """
    size = BATCH // 2  # more than one batch, however small the set is
    _, *rest = batches(source, positions, size=size)
    stopped = _loader(source, positions, workers=0, size=size)
    next(iter(stopped))
    resumed = _loader(again, positions, workers=0, size=size)
    resumed.load_state_dict(stopped.state_dict())
    fault = other_batches(list(resumed), rest)
    check(not fault, f"{fault} when a loader goes on within an epoch, on the same set made again")


def check_order(source: ImageSource, positions: Sequence[int]) -> None:
    """An order of its own has each image once, and is the same each time.

    Args:
        source: what is checked.
        positions: of some images.

    Raises:
        AssertionError: if it has not.
    """
    for some in (None, torch.tensor(positions)):
        order, again = source.epoch_order(3, some), source.epoch_order(3, some)
        if order is None:
            check(again is None, "`epoch_order` gives an order at some times alone")
            continue
        count = len(source) if some is None else len(positions)
        each_once = torch.equal(order.rows.sort().values.long(), torch.arange(count))
        check(each_once, f"`epoch_order` does not give each of {count} places once")
        same = again is not None and torch.equal(order.rows, again.rows)
        check(same, "`epoch_order` gives another order for the same seed")


def check_workers(source: ImageSource, positions: Sequence[int]) -> None:
    """The same views from no, one and two workers.

    Args:
        source: what is checked.
        positions: of images that can be read.

    Raises:
        AssertionError: if they are others.
    """
    expected = batches(source, positions)
    for workers in (1, 2):
        fault = other_batches(batches(source, positions, workers=workers), expected)
        check(not fault, f"{fault} from {workers} workers: `read` must not ask which worker it is")


def batches(
    source: ImageSource, positions: Sequence[int], *, workers: int = 0, size: int = BATCH
) -> list[Views]:
    """The views of an epoch of some images.

    Args:
        source: reads them.
        positions: theirs.
        workers: processes that do.
        size: B of this process.
    """
    return list(_loader(source, positions, workers=workers, size=size))


def other_batches(got: Sequence[Views], expected: Sequence[Views]) -> str:
    """What is not as expected in the first batch that differs; empty if none does."""
    if len(got) != len(expected):
        return f"{len(got)} batches instead of {len(expected)} come"
    for number, (one, other) in enumerate(zip(got, expected, strict=True)):
        for what, mine, theirs in (
            ("order", [one.indices], [other.indices]),
            ("labels", [one.labels], [other.labels]),
            ("views", one.images, other.images),
        ):
            if not all(torch.equal(*pair) for pair in zip(mine, theirs, strict=True)):
                return f"the {what} of batch {number} are others"
    return ""


class _SomeViews(ViewDataset):
    """Views of some images of a source, which is asked for them itself, not a subset of it."""

    def __init__(self, source: ImageSource, positions: Sequence[int]) -> None:
        super().__init__(source, [view_policy("moco_v2", 32)] * 2, seed=1)
        self.positions = list(positions)

    def __len__(self) -> int:
        return len(self.positions)

    def epoch_order(self, seed: int) -> EpochOrder | None:
        return self.images.epoch_order(seed, torch.tensor(self.positions))

    def read_ahead(self, batches: Iterator[Tensor]) -> ReadAhead | None:
        return self.images.read_ahead(torch.tensor(self.positions)[rows] for rows in batches)

    def batch(self, keys: Sequence[tuple[int, int]]) -> RawViews | UncutViews:
        return super().batch([(epoch, self.positions[row]) for epoch, row in keys])


def _loader(
    source: ImageSource, positions: Sequence[int], *, workers: int, size: int = BATCH
) -> ViewLoader:
    with warnings.catch_warnings():  # of torch, on a machine of one core
        warnings.simplefilter("ignore")
        views = _SomeViews(source, positions)
        return ViewLoader(views, size, num_workers=workers, drop_last=False)
