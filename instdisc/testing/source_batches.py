"""A source in loaders: unreadable images, going on within an epoch, workers.

Legend: B batch.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

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

from .source_contents import Images
from .watching import check

BATCH = 4
_PLANTED = "an image that the battery made unreadable"


def check_broken(source: ImageSource, broken: Sequence[int]) -> None:
    """Images that cannot be read are refused by a ValueError that names them.

    Args:
        source: what is checked.
        broken: their positions.

    Raises:
        AssertionError: if one is not.
    """
    names = source.image_names()
    for position in broken:
        reason = _reason(source, position)
        check(
            names[position] in reason,
            f"the error of `read({position})` must name the image {names[position]!r}, got "
            f"{reason!r}",
        )


def check_unreadable(source: ImageSource, images: Images, broken: Sequence[int]) -> None:
    """What `on_unreadable` says is done, at an image that is made unreadable and at the set's own.

    Args:
        source: what is checked; it is copied.
        images: of `check_reading`.
        broken: positions of images that cannot be read.

    Raises:
        AssertionError: if something else is done.
    """
    *_, planted = images
    read = source.read

    def refuse(index: int) -> Tensor:
        if index == planted:
            raise ValueError(_PLANTED)
        return read(index)

    _check_policy(source, planted, {planted, *broken}, _PLANTED, refuse)
    for position in broken:
        _check_policy(source, position, set(broken), _reason(source, position))


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


def _check_policy(
    source: ImageSource,
    position: int,
    unreadable: set[int],
    text: str,
    read: Callable[[int], Tensor] | None = None,
) -> None:
    """Both values of `on_unreadable` at a position."""
    raising, skipping = copy.copy(source), copy.copy(source)
    raising.on_unreadable, skipping.on_unreadable = "raise", "skip"
    for each in (raising, skipping):
        if read is not None:
            vars(each)["read"] = read  # of this copy alone
    try:
        raising.fetch(position)
    except ValueError:
        pass
    else:
        raise AssertionError(
            f"`fetch({position})` must raise the ValueError of `read` for on_unreadable='raise', "
            "and it returns"
        )
    nearest = (position + step for step in range(1, len(source)))
    following = next(p % len(source) for p in nearest if p % len(source) not in unreadable)
    with _warnings_logged() as lines:
        try:
            got, image = skipping.fetch(position)
        except ValueError as error:
            raise AssertionError(
                f"`fetch({position})` must take the next image for on_unreadable='skip', and it "
                f"raises: {error}"
            ) from error
    check(
        got == following and torch.equal(image, source.read(following)),
        f"`fetch({position})` must take image {following}, the next that can be read, for "
        f"on_unreadable='skip', got position {got}",
    )
    check(
        any(text in line for line in lines),
        f"`fetch({position})` must log a warning with the error of `read` for "
        f"on_unreadable='skip', got {lines}",
    )


def _reason(source: ImageSource, position: int) -> str:
    """What `read` says of an unreadable image."""
    try:
        source.read(position)
    except ValueError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(
            f"`read({position})` must raise a ValueError for an unreadable image, got "
            f"{type(error).__name__}: {error}"
        ) from error
    raise AssertionError(f"`read({position})` must raise a ValueError: `broken` names the position")


@contextmanager
def _warnings_logged() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile, which are shown nowhere else."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root, handler = logging.getLogger(), Keep(logging.WARNING)
    root.addHandler(handler)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
