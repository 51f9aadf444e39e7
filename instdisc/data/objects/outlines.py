"""Outlines of many objects, packed: polygons and run lengths.

Legend: M outlines, n of one image, H x W size of an image.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from pycocotools import mask as run_lengths
from torch import Tensor

from .polygons import is_blank, read_polygons


class PackedOutlines:
    """Outlines as one string of bytes, which forked workers share.

    Args:
        outlines: M bytes as `pack_outline` gives them.

    Example:
        >>> square = pack_outline([[1, 1, 3, 1, 3, 3, 1, 3]], 4, 4).data
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

    def packed(self, rows: slice) -> tuple[bytes, bytes]:
        """What some outlines are decoded from, and how many bytes each of them takes."""
        ends = self._ends[rows.start : rows.stop + 1]
        return self._data[ends[0] : ends[-1]], (ends - ends[0]).tobytes()


class Outline(NamedTuple):
    """One outline.

    Attributes:
        data: bytes for `PackedOutlines`; empty if there is no outline.
        left_out: pieces of fewer than three points beside its polygons.
    """

    data: bytes
    left_out: int = 0


def pack_outline(segmentation: Any, height: int, width: int) -> Outline:
    """One outline of a COCO file: polygons, or run lengths, compressed or not.

    Raises:
        ValueError: if it is something else, is damaged, or made for another size of the image;
            begins with "its".
    """
    if is_blank(segmentation):
        return Outline(b"")
    if isinstance(segmentation, list) and len(segmentation) == 1:
        inner = segmentation[0]
        segmentation = inner if isinstance(inner, dict) else segmentation
    if isinstance(segmentation, dict):
        return Outline(b"R" + _compressed(segmentation, height, width))
    if not isinstance(segmentation, list):
        raise ValueError(
            f"its 'segmentation' must be polygons or run lengths, got {str(segmentation)[:60]!r}"
        )
    polygons = read_polygons(segmentation)
    joined = [number for ring in polygons.rings for number in (*ring, float("nan"))]
    return Outline(b"P" + np.array(joined, dtype=np.float64).tobytes(), polygons.left_out)


def outline_area(data: bytes, height: int, width: int) -> float:
    """Pixels inside one outline as `pack_outline` gives it."""
    return float(run_lengths.area(_to_runs(data, height, width)))


def _compressed(mask: dict[str, Any], height: int, width: int) -> bytes:
    size, counts = mask.get("size"), mask.get("counts")
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise ValueError(
            f"its mask is of size {size} (height, width), and its image of {[height, width]}"
        )
    if isinstance(counts, list):
        if not all(
            type(count) in (int, float) and count >= 0 and count == int(count) for count in counts
        ):
            raise ValueError(f"its 'counts' must be whole numbers, got {str(counts)[:60]}")
        counts = [int(count) for count in counts]
        if sum(counts) != height * width:
            raise ValueError(f"its run lengths make {sum(counts)} of {height * width} pixels")
        runs = run_lengths.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        compressed: bytes = runs["counts"]
        return compressed
    if not isinstance(counts, str | bytes):
        raise ValueError(f"its 'counts' must be run lengths, got {str(counts)[:60]}")
    data = counts.encode() if isinstance(counts, str) else counts
    # pycocotools would show what lies in memory behind the last run.
    runs_make = _num_pixels(data)
    if runs_make != height * width:
        raise ValueError(f"its run lengths make {runs_make} of {height * width} pixels")
    return data


def _num_pixels(counts: bytes) -> int:
    """The sum of compressed run lengths.

    Each number is the difference to the last but one from the fourth on, in groups of five bits
    with 48 added, the lowest first; 32 says that another group follows, and 16 in the last one
    that the number is negative.
    """
    codes = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    damaged = ValueError(f"its 'counts' must be run lengths, got the damaged {counts[:40]!r}")
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise damaged
    ends = np.flatnonzero(codes & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    groups = ends - starts + 1
    if groups.max() > 7:
        raise damaged
    place = np.arange(len(codes)) - np.repeat(starts, groups)
    runs = np.add.reduceat((codes & 31) << (5 * place), starts)
    runs -= np.where(codes[ends] & 16, np.int64(1) << (5 * groups), 0)
    for first in (1, 2):
        runs[first::2] = runs[first::2].cumsum()
    if runs.min() < 0:
        raise damaged
    return int(runs.sum())


def _to_runs(outline: bytes, height: int, width: int) -> dict[str, Any]:
    if outline[:1] == b"R":
        return {"size": [height, width], "counts": outline[1:]}
    numbers = np.frombuffer(outline, dtype=np.float64, offset=1)
    borders = np.flatnonzero(np.isnan(numbers))
    polygons = [part[~np.isnan(part)].tolist() for part in np.split(numbers, borders[:-1])]
    merged: dict[str, Any] = run_lengths.merge(run_lengths.frPyObjects(polygons, height, width))
    return merged
