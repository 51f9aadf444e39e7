"""Outlines of many objects, packed: polygons and run lengths.

Legend: M outlines, n of one image, H x W size of an image.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from pycocotools import mask as run_lengths
from torch import Tensor


class PackedOutlines:
    """Outlines as one string of bytes, which forked workers share.

    Args:
        outlines: M bytes as `pack_outline` gives them.

    Example:
        >>> square = pack_outline([[1, 1, 3, 1, 3, 3, 1, 3]], 4, 4)
        >>> PackedOutlines([square]).masks(slice(0, 1), 4, 4).int()
        tensor([[[0, 0, 0, 0],
                 [0, 1, 1, 0],
                 [0, 1, 1, 0],
                 [0, 0, 0, 0]]], dtype=torch.int32)
    """

    def __init__(self, outlines: Sequence[bytes]) -> None:
        self._data = b"".join(outlines)
        self._ends = np.zeros(len(outlines) + 1, dtype=np.int64)
        np.cumsum([len(outline) for outline in outlines], out=self._ends[1:])

    def masks(self, rows: slice, height: int, width: int) -> Tensor:
        """The pixels inside some outlines of an image, ``(n, H, W)`` bool."""
        ends = self._ends[rows.start : rows.stop + 1].tolist()
        runs = [_to_runs(self._data[start:end], height, width) for start, end in pairwise(ends)]
        if not runs:
            return torch.zeros(0, height, width, dtype=torch.bool)
        with warnings.catch_warnings():  # pycocotools 2.0 has not followed numpy 2 yet
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            decoded = torch.from_numpy(run_lengths.decode(runs))  # (H, W, n) uint8, by columns
        return decoded.permute(2, 0, 1).view(torch.bool)


def pack_outline(segmentation: Any, height: int, width: int) -> bytes:
    """One outline of a COCO file: polygons, or run lengths, compressed or not.

    Polygons of less than three points enclose nothing and are left out.

    Returns:
        Bytes for `PackedOutlines`; empty if there is no outline.

    Raises:
        ValueError: if it is something else, or made for another size of the image.
    """
    if not segmentation:
        return b""
    if isinstance(segmentation, dict):
        if list(segmentation.get("size", ())) != [height, width]:
            raise ValueError(
                f"its mask is of size {segmentation.get('size')} (height, width), and its image "
                f"of {[height, width]}"
            )
        counts = segmentation.get("counts")
        if isinstance(counts, list):
            if sum(counts) != height * width:
                raise ValueError(f"its run lengths make {sum(counts)} of {height * width} pixels")
            counts = run_lengths.frPyObjects(segmentation, height, width)["counts"]
        if not isinstance(counts, str | bytes):
            raise ValueError(f"its 'counts' are {str(counts)[:60]}")
        return b"R" + (counts.encode() if isinstance(counts, str) else counts)
    if not isinstance(segmentation, list) or not all(isinstance(p, list) for p in segmentation):
        raise ValueError(f"its segmentation is {str(segmentation)[:60]}")
    joined: list[float] = []
    for polygon in segmentation:
        if len(polygon) % 2:
            raise ValueError(f"a polygon of it has {len(polygon)} coordinates, an odd number")
        # The rasteriser would take four numbers for a box.
        if len(polygon) >= 6:
            joined += [*polygon, float("nan")]
    return b"P" + np.array(joined, dtype=np.float64).tobytes() if joined else b""


def _to_runs(outline: bytes, height: int, width: int) -> dict[str, Any]:
    if outline[:1] == b"R":
        return {"size": [height, width], "counts": outline[1:]}
    numbers = np.frombuffer(outline, dtype=np.float64, offset=1)
    borders = np.flatnonzero(np.isnan(numbers))
    polygons = [part[~np.isnan(part)].tolist() for part in np.split(numbers, borders[:-1])]
    merged: dict[str, Any] = run_lengths.merge(run_lengths.frPyObjects(polygons, height, width))
    return merged
