"""Parts of a set of masks, drawn by a seed."""

from __future__ import annotations

import logging

import numpy as np
import torch

from .source import SegmentSource, SegmentSubset

_TEST_SHARE = 0.3

_log = logging.getLogger(__name__)


def split_segments(
    segments: SegmentSource, *, seed: int = 0
) -> tuple[SegmentSubset, SegmentSubset]:
    """A split of the images into 70 % to train on and 30 %, rounded, to test on.

    Args:
        segments: what to split.
        seed: another seed draws other images.

    Returns:
        Both parts in the order of `segments`.

    Raises:
        ValueError: if one part would be empty.

    Example:
        >>> from instdisc.data import SceneSegments, Scenes
        >>> train, test = split_segments(SceneSegments(Scenes(10, image_size=32)))
        >>> len(train), test.positions.tolist()
        (7, [2, 4, 8])
    """
    count = round(_TEST_SHARE * len(segments))
    if not 0 < count < len(segments):
        raise ValueError(
            f"{segments.name!r} must have at least 2 images to be split into train and test, got "
            f"{len(segments)}"
        )
    order = np.random.RandomState(seed).permutation(len(segments))  # fixed for all time by numpy
    test, train = np.sort(order[:count]), np.sort(order[count:])
    _log.warning(
        "%r has no split of its own: %d images to train on and %d to test on, drawn by seed %d",
        segments.name,
        len(train),
        len(test),
        seed,
    )
    return (
        SegmentSubset(segments, torch.from_numpy(train)),
        SegmentSubset(segments, torch.from_numpy(test)),
    )
