"""Masks as run lengths, the form of the COCO files.

Legend: N masks, H x W pixels.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from pycocotools import mask as coco_masks
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call


class RunLengths(NamedTuple):
    """Masks of one image as compressed run lengths.

    Attributes:
        size: H and W.
        counts: COCO's bytes, one entry per mask.
    """

    size: tuple[int, int]
    counts: list[bytes]


@checked_call()
def encode_masks(masks: Tensor) -> RunLengths:
    """Masks to run lengths; without loss.

    Args:
        masks: ``(N, H, W)`` bool.

    Raises:
        TypeError: if they are not bool.

    Example:
        >>> masks = torch.tensor([[[True, False], [True, True]]])
        >>> torch.equal(decode_masks(encode_masks(masks)), masks)
        True
    """
    checks.shape("masks", masks, ("N", "H", "W"))
    checks.dtype("masks", masks, torch.bool, remedy="Compare probabilities with 0.5.")
    height, width = masks.shape[-2:]
    # COCO goes down the columns: H and W swapped in memory, the objects last.
    columns = np.asfortranarray(masks.cpu().numpy().astype(np.uint8).transpose(1, 2, 0))
    encoded = coco_masks.encode(columns) if len(masks) else []
    return RunLengths((height, width), [entry["counts"] for entry in encoded])


@checked_call()
def decode_masks(runs: RunLengths) -> Tensor:
    """Run lengths to masks ``(N, H, W)`` bool."""
    if not runs.counts:
        return torch.zeros(0, *runs.size, dtype=torch.bool)
    with warnings.catch_warnings():  # pycocotools 2.0 has not followed numpy 2 yet
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        rows = coco_masks.decode([{"size": list(runs.size), "counts": row} for row in runs.counts])
    return torch.from_numpy(np.ascontiguousarray(rows.transpose(2, 0, 1))).bool()


def pack_counts(counts: list[bytes]) -> tuple[Tensor, Tensor]:
    """Bytes of any lengths as one row ``(L,)`` uint8, and their lengths ``(N,)`` int64."""
    joined = np.frombuffer(b"".join(counts), dtype=np.uint8).copy()
    return torch.from_numpy(joined), torch.tensor([len(row) for row in counts], dtype=torch.int64)


def unpack_counts(row: Tensor, lengths: Tensor) -> list[bytes]:
    """Undoes `pack_counts`."""
    joined, ends = row.numpy().tobytes(), lengths.cumsum(0).tolist()
    return [joined[end - length : end] for length, end in zip(lengths.tolist(), ends, strict=True)]
