"""What a source's images and the whole of it are known by.

Legend: M positions.
"""

from __future__ import annotations

import copy
import itertools

import numpy as np
import torch

from instdisc.data import ImageSource
from instdisc.data.images.contents import KEY_BYTES

from .source_contents import Images
from .watching import check

_HASHED = 1000  # images of a large set


def check_keys(source: ImageSource, images: Images) -> None:
    """A key for each image, another for another image.

    Args:
        source: what is checked.
        images: of `check_reading`.

    Raises:
        AssertionError: if a key is missing, or does not tell two images apart.
    """
    positions = list(images)
    keys = source.image_keys(torch.tensor(positions)).keys
    shape = (len(positions), KEY_BYTES)
    check(
        isinstance(keys, np.ndarray) and keys.shape == shape and keys.dtype == np.uint8,
        f"`image_keys(positions)` must hold an array {shape} of uint8 for {len(positions)} "
        f"positions, got {getattr(keys, 'shape', keys)}",
    )
    for (row, one), (other_row, other) in itertools.combinations(enumerate(positions), 2):
        check(
            not np.array_equal(keys[row], keys[other_row])
            or torch.equal(images[one], images[other]),
            f"`image_keys` gives the images {one} and {other} one key, and they are different",
        )
    backwards = source.image_keys(torch.tensor(positions[::-1])).keys
    check(
        np.array_equal(backwards[::-1], keys),
        "`image_keys(positions)` must follow the order of `positions`",
    )
    if len(source) <= _HASHED:
        check(
            np.array_equal(source.image_keys().keys[positions], keys),
            "`image_keys()` of all images and of some must agree",
        )


def check_fingerprint(source: ImageSource, again: ImageSource) -> None:
    """The same for the same set, another for a set of other labels or another order.

    Args:
        source: what is checked.
        again: the same set, made again.

    Raises:
        AssertionError: if it is not.
    """
    few = torch.arange(min(len(source), _HASHED))
    if len(source) > _HASHED:
        source, again = source.subset(few), again.subset(few)
    digest = source.fingerprint().digest
    check(
        again.fingerprint().digest == digest,
        "`fingerprint()` is another one for the same set made again: it must depend on images, "
        "labels and order alone",
    )
    check(
        source.subset(few.flip(0)).fingerprint().digest != digest,
        "`fingerprint()` is the same for another order of the images",
    )
    if len(source.classes):
        changed, labels = copy.copy(source), source.labels.clone()
        labels[0] = -1 if labels[0] >= 0 else 0
        changed.labels = labels
        check(
            changed.fingerprint().digest != digest,
            "`fingerprint()` is the same for another label of an image",
        )
