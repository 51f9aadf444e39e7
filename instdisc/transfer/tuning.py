"""What training a classifier on images begins with: which images, and which part of them tunes.

Legend: N images.
"""

from __future__ import annotations

import numpy as np
import torch

from instdisc.data import ImageSource, ImageSubset, StratifiedSubset

from .labelled import check_labels, count_classes

TUNING_SHARE = 0.7


def tuning_split(images: ImageSource, seed: int) -> tuple[ImageSubset, ImageSubset]:
    """A random 70 % of the images to try settings on, and the other 30 % to score them.

    Args:
        images: the training set, at least 2 images.
        seed: of the draw.

    Raises:
        ValueError: if no image of the 30 % is of a class in the 70 %: scores would mean nothing.

    Source:
        Islam et al. (2021), their code: ``RandomState(seed)``, classes not looked at.

    Example:
        >>> from instdisc.data import Scenes
        >>> tried, scored = tuning_split(Scenes(20, image_size=32), seed=0)
        >>> len(tried), len(scored)
        (14, 6)
    """
    order = np.random.RandomState(seed).permutation(len(images))
    count = int(TUNING_SHARE * len(images))
    tried, scored = (
        ImageSubset(images, torch.from_numpy(np.sort(part)))
        for part in (order[:count], order[count:])
    )
    if not torch.isin(scored.labels, tried.labels).any():
        raise ValueError(
            f"the {len(images)} training images of {images.name!r} are too few to select settings: "
            f"the {len(scored)} that score show no class of the {len(tried)} that train. Give a "
            "grid of one point."
        )
    return tried, scored


def labelled_sets(
    train: ImageSource,
    test: ImageSource,
    *,
    share: float = 1.0,
    per_class: int | None = None,
    seed: int = 0,
) -> tuple[ImageSubset, ImageSubset]:
    """The images of known class to train on and to test on.

    Args:
        train: the training set.
        test: the test set.
        share: of the labels of each class of `train`, above 0, at most 1.
        per_class: so many labels of each class instead; ``None`` for `share`.
        seed: of the draw.

    Raises:
        ValueError: if the sets have different classes, a label lies outside them, fewer than two
            classes are left to train on, no test image is labelled, both `share` and `per_class`
            are given, or a class has too few images.
    """
    if list(train.classes) != list(test.classes):
        raise ValueError(
            f"`test` has the classes {list(test.classes)[:5]}... and `train` "
            f"{list(train.classes)[:5]}...: they must be the same"
        )
    if per_class is not None and share != 1:
        raise ValueError(
            f"`share` and `per_class` exclude each other, got {share} and {per_class}. Leave one."
        )
    num_classes = count_classes(train.labels, train.classes, "train")
    labelled, asked = (
        ImageSubset(images, check_labels(images.labels, num_classes, role))
        for role, images in (("train", train), ("test", test))
    )
    if per_class is not None:
        labelled = StratifiedSubset(labelled, per_class=per_class, seed=seed)
    elif share != 1:
        labelled = StratifiedSubset(labelled, share, seed=seed)
    return labelled, asked
