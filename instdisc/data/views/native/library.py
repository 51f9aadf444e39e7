"""`colours.c`, and the structures that it takes.

Legend: B images, H x W size of a view, n numbers of a policy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import POINTER, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..jitter import JITTER_ORDERS
from ..stages import Row, Stage
from ..strides import linear
from .building import NotCompiledError, load_compiled

TYPES = {torch.uint8: 0, torch.float32: 1, torch.bfloat16: 2}
_SHARE = 250_000  # values for each thread at least


class _Row(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("steps", "column", "threshold")]


class _Stage(ctypes.Structure):
    _fields_ = [
        ("before", _Row),
        ("after", _Row),
        ("blur_column", c_int32),
        ("radius", c_int32),
        ("normalises", c_int32),
    ]


class _Images(ctypes.Structure):
    _fields_ = [
        ("values", c_void_p),
        ("image", c_int64),
        ("plane", c_int64),
        ("pixel", c_int64),
        ("type", c_int32),
    ]


class _Tables(ctypes.Structure):
    _fields_ = [
        ("numbers", c_void_p),
        ("columns", c_int64),
        ("constants", c_void_p),
        ("orders", c_void_p),
    ]


@cache  # asked once in a process, whatever the answer
def library() -> ctypes.CDLL | NotCompiledError:
    """The compiled loops, or why there are none."""
    try:
        loaded = load_compiled(Path(__file__).with_name("colours.c"))
    except NotCompiledError as error:
        return error
    images, sizes = POINTER(_Images), (c_int64, c_int64)
    loaded.finish_images.argtypes = [
        *(POINTER(_Stage), images, images, *sizes, *sizes, POINTER(_Tables), c_void_p)
    ]
    loaded.finish_images.restype = c_int64
    loaded.values_of_room.argtypes = [POINTER(_Stage), *sizes]
    loaded.values_of_room.restype = c_int64
    return loaded


class Loops:
    """The compiled loops for a policy.

    Args:
        constants: three means, three deviations and the thresholds.

    Raises:
        NotCompiledError: if there are none on this machine.
    """

    def __init__(self, constants: Sequence[float]) -> None:
        loaded = library()
        if isinstance(loaded, NotCompiledError):
            raise loaded
        self._library = loaded
        self._constants = np.array(constants, np.float32)
        self._orders = np.array(JITTER_ORDERS, np.int32)

    def run(
        self, stage: Stage, images: Tensor, target: Tensor, numbers: Tensor, *, normalises: bool
    ) -> None:
        """Fills the target with what the stage makes of the images, in torch's number of threads.

        Args:
            stage: of the policy.
            images: ``(B, 3, H, W)``, uint8, or float32 in [0, 1].
            target: ``(B, 3, H, W)``, float32 or bfloat16, dense.
            numbers: ``(B, n)`` float32, in one piece.
            normalises: whether with the means and deviations.

        Raises:
            IndexError: if an order of the jitter is none.
        """
        images, strides = linear(images)
        _, target_strides = linear(target)
        count, _, height, width = images.shape
        steps = _Stage(
            _row(stage.row), _row(stage.after), stage.blur_column, stage.radius, normalises
        )
        source = _Images(images.data_ptr(), *strides, TYPES[images.dtype])
        finished = _Images(target.data_ptr(), *target_strides, TYPES[target.dtype])
        constants, orders = self._constants.ctypes.data, self._orders.ctypes.data
        tables = _Tables(numbers.data_ptr(), numbers.shape[1], constants, orders)
        values = self._library.values_of_room(steps, height, width)

        def finish(begin: int, end: int) -> int:
            room = np.empty(values, np.float32)
            shape, where = (height, width), room.ctypes.data
            wrong: int = self._library.finish_images(
                steps, source, finished, begin, end, *shape, tables, where
            )
            return wrong

        threads = max(1, min(torch.get_num_threads(), count, images.numel() // _SHARE))
        bounds = [count * thread // threads for thread in range(threads + 1)]
        if threads == 1:
            wrong = [finish(0, count)]
        else:  # ctypes lets other threads run
            with ThreadPoolExecutor(threads) as pool:
                wrong = list(pool.map(finish, bounds[:-1], bounds[1:]))
        for image in wrong:
            if image >= 0:
                order = float(numbers[image, stage.jitter_column + 4])
                last = len(JITTER_ORDERS) - 1
                raise IndexError(f"the order of a jitter must be 0 to {last}, got {order:g}")


def _row(row: Row) -> _Row:
    return _Row(row.packed, row.column, row.threshold)
