"""What an opener leaves out or changes: counted, and said once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

_log = logging.getLogger(__name__)
_MOST_NAMED = 20  # in one line of the log


def report(
    rows: Sequence[int] | np.ndarray,
    message: str,
    describe: Callable[[int], str],
    *,
    most: int = _MOST_NAMED,
) -> None:
    """One line in the log that counts rows and names the first of them; none for no row.

    Args:
        rows: what it is about.
        message: with a ``%d`` for their number; the names follow it.
        describe: the name of a row.
        most: names in the line; 1 for a message that ends with "first: ".
    """
    if len(rows):
        named = ", ".join(describe(int(row)) for row in rows[:most])
        more = ", ..." if len(rows) > most > 1 else ""
        _log.warning("%s", message % len(rows) + named + more)
