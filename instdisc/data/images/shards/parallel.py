"""One function on many files, by several processes where that pays."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_ENOUGH = 2**30  # bytes of files; to read the headers in fewer takes no longer than new processes


def map_files(
    function: Callable[[_Item], _Result], items: Sequence[_Item], num_bytes: int
) -> Iterator[_Result]:
    """What a function makes of each item, in order.

    It works in processes that are copies of this one, one for each of its CPUs: Python's threads
    would wait for each other. Where processes cannot be copied, or this one may have no children,
    as the workers of a loader, it works here.

    Args:
        function: of the top of a module.
        items: all of them.
        num_bytes: of the files that they stand for.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    count = min(len(items), len(affinity(0)) if affinity else os.cpu_count() or 1)
    alone = multiprocessing.current_process().daemon or sys.platform != "linux"
    if count < 2 or num_bytes < _ENOUGH or alone:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("fork"))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
