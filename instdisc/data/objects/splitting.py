"""A split of a set that has none."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
import torch

from instdisc.checks import whole

from .source import ObjectSource, ObjectSubset

_log = logging.getLogger(__name__)


def split_objects(
    source: ObjectSource, num_test: int | None = None, *, seed: int = 0
) -> tuple[ObjectSubset, ObjectSubset]:
    """A split of the images into those to train on and those to test on.

    Args:
        source: what to split.
        num_test: how many to test on; ``None`` for 30 %, rounded.
        seed: another seed draws other images.

    Returns:
        Both parts in the order of `source`.

    Raises:
        ValueError, TypeError: if `num_test` is no number of images that leaves some to train on.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> train, test = split_objects(SceneObjects(Scenes(10, image_size=32)))
        >>> len(train), test.image_ids
        (7, [2, 4, 8])
    """
    count = round(0.3 * len(source)) if num_test is None else num_test
    whole(
        "num_test",
        count,
        at_most=len(source) - 1,
        remedy=f"{source.name!r} has {len(source)} images; one must remain to train on.",
    )
    order = np.random.RandomState(seed).permutation(len(source))  # fixed for all time by numpy
    test, train = np.sort(order[:count]), np.sort(order[count:])
    return (
        ObjectSubset(source, torch.from_numpy(train)),
        ObjectSubset(source, torch.from_numpy(test)),
    )


def drawn_part(
    source: ObjectSource, part: Literal["train", "test"], num_test: int | None = None
) -> ObjectSource:
    """One part of `split_objects` by seed 0, with a line in the log that says so."""
    train, test = split_objects(source, num_test)
    _log.warning(
        "%s: no official split; %d images to train on and %d to test on, drawn by seed 0",
        source.name,
        len(train),
        len(test),
    )
    return train if part == "train" else test
