"""Rows of tensors on the CPU, read and written by numpy, which is faster than torch at it.

Legend: B batch, S x T size of a view, n numbers of a step, r rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_NO_FORM = -2


def take(tensor: Tensor, rows: np.ndarray) -> Tensor:
    """Rows of a tensor, ``(B, n)`` or ``(B, C, H, W)``, in its memory format."""
    last = _has_channels_last(tensor)
    taken = torch.from_numpy(_array(tensor, last)[rows])
    return taken.permute(0, 3, 1, 2) if last else taken


def put(tensor: Tensor, rows: np.ndarray, values: Tensor) -> None:
    """Writes rows of a tensor; torch's `index_copy_` is slower."""
    last = _has_channels_last(tensor)
    _array(tensor, last)[rows] = _array(values, last)


def runs(forms: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Where neighbours of one form begin and end: form, start and end.

    Example:
        >>> list(runs(np.array([-1, 4, 4])))
        [(-1, 0, 1), (4, 1, 3)]
    """
    starts = np.flatnonzero(np.diff(forms, prepend=_NO_FORM))
    for start, end in zip(starts, np.append(starts[1:], len(forms)), strict=True):
        yield int(forms[start]), int(start), int(end)


def _has_channels_last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and not tensor.is_contiguous()


def _array(tensor: Tensor, channels_last: bool) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:  # which numpy does not have
        tensor = tensor.view(torch.int16)
    array: np.ndarray = (tensor.permute(0, 2, 3, 1) if channels_last else tensor).numpy()
    return array
