"""A share of the images of every class, or all images of some classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..folders import ImageFolder
from ..source import ImageSource, ImageSubset


class StratifiedSubset(ImageSubset):
    """The same share of the images of each class, drawn by a seed.

    Of a class of n images, ``share * n`` are kept, rounded, at least one; images without a label
    count as one class. The draw depends on the seed, the class and the order of its images alone.

    Args:
        images: a folder (see `ImageFolder`) or any source.
        share: of the images of each class; above 0, at most 1.
        seed: another seed draws other images.

    Raises:
        ValueError: if `share` is out of range or `seed` is negative.

    Example:
        >>> from instdisc.data import Scenes
        >>> few = StratifiedSubset(Scenes(100, image_size=32, num_categories=5), 0.1)
        >>> few.labels.bincount()
        tensor([2, 2, 2, 2, 2])
    """

    def __init__(self, images: ImageSource | str | Path, share: float, *, seed: int = 0) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"`share` must be above 0 and at most 1, got {share}")
        if seed < 0:
            raise ValueError(f"`seed` must not be negative, got {seed}")
        source = _as_source(images)
        super().__init__(source, _draw(source.labels, share, seed))


class ClassSubset(ImageSubset):
    """All images of some of the classes, with these numbered anew.

    Args:
        images: a folder (see `ImageFolder`) or any source.
        classes: names of the classes to keep; they keep the source's order. A number keeps the
            first so many.

    Raises:
        ValueError: if `classes` are not all in the source, a name comes twice, or none is left.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(100, image_size=32, num_categories=5)
        >>> two = ClassSubset(scenes, [scenes.classes[4], scenes.classes[1]])
        >>> two.classes == [scenes.classes[1], scenes.classes[4]], len(two)
        (True, 40)
    """

    def __init__(self, images: ImageSource | str | Path, classes: Sequence[str] | int) -> None:
        source = _as_source(images)
        if isinstance(classes, int):
            if not 0 < classes <= len(source.classes):
                raise ValueError(
                    f"`classes` must be 1 to {len(source.classes)}, the classes of "
                    f"{source.name!r}, got {classes}"
                )
            classes = source.classes[:classes]
        unknown = [name for name in classes if name not in set(source.classes)]
        if unknown or not classes or len(set(classes)) < len(classes):
            fault = f"{len(unknown)} others, {unknown[0]!r} first" if unknown else list(classes)
            raise ValueError(f"`classes` must be different classes of {source.name!r}, got {fault}")
        kept = torch.tensor([name in set(classes) for name in source.classes])
        # The last place is that of label -1, which belongs to no class.
        kept = torch.cat([kept, torch.tensor([False])])
        super().__init__(source, kept[source.labels].nonzero()[:, 0])
        self.classes = [name for name in source.classes if name in set(classes)]
        self.labels = (kept.cumsum(0) - 1)[self.labels]


def _draw(labels: Tensor, share: float, seed: int) -> Tensor:
    """The positions of the drawn images, ``(M,)`` int64, ascending."""
    values = labels.numpy()
    order = np.argsort(values, kind="stable")
    drawn = []
    for members in np.split(order, np.flatnonzero(np.diff(values[order])) + 1):
        # Raw bits: numpy promises to keep these the same, unlike what it makes of them.
        keys = np.random.PCG64((seed, int(values[members[0]]) + 1)).random_raw(len(members))
        count = max(1, int(share * len(members) + 0.5))
        drawn.append(members[np.argsort(keys)[:count]])
    return torch.from_numpy(np.sort(np.concatenate(drawn)))


def _as_source(images: ImageSource | str | Path) -> ImageSource:
    return images if isinstance(images, ImageSource) else ImageFolder(images)
