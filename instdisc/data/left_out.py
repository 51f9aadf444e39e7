"""What an opener leaves out or changes: counted, and logged once with its first example."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from instdisc.distributed import rank

_log = logging.getLogger(__name__)
_said: set[str] = set()


def say_left_out(
    rows: Sequence[int] | np.ndarray, message: str, describe: Callable[[int], str]
) -> None:
    """One line in the log that counts rows and describes the first of them; none for no row.

    Both parts of a set are often opened one after the other, by several tasks: a line is logged
    once in a process.

    Args:
        rows: what it is about.
        message: with a ``%d`` for their number; the example follows it. It or the example names
            the folder or file, so that two sets of one name are told apart.
        describe: the example, for the first of `rows`.
    """
    if len(rows):
        say_once(message.replace("%d", str(len(rows)), 1) + describe(int(rows[0])))


def say_once(text: str) -> None:
    """A line in the log, once in a process, and by the first of several processes."""
    if text not in _said and not rank():
        _said.add(text)
        _log.warning("%s", text)
