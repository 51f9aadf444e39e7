"""What a source does at images that cannot be read."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from instdisc.data import ImageSource

from .source_contents import Images
from .watching import check

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
