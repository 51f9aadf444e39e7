"""Some images of a set with landmarks, and a set that is split by a seed.

Legend: N images, M of them chosen, P points.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from instdisc import checks

from ..images.contents import Keys
from ..images.source import ImageSubset
from ..images.splits import draw_positions, image_names
from .source import LandmarkSource


class LandmarkSubset(ImageSubset, LandmarkSource):
    """Some images of a `LandmarkSource`.

    Args:
        images: the source.
        positions: ``(M,)`` int64 positions in it; their order is kept.

    Raises:
        IndexError: if a position is outside the source.

    Example:
        >>> from instdisc.data import SceneLandmarks, Scenes
        >>> few = LandmarkSubset(SceneLandmarks(Scenes(8, image_size=32)), torch.tensor([7, 2]))
        >>> len(few), few.all_points().shape
        (2, torch.Size([2, 5, 3]))
    """

    images: LandmarkSource

    def __init__(self, images: LandmarkSource, positions: Tensor) -> None:
        checks.arguments(LandmarkSubset.__init__, locals())
        super().__init__(images, positions)
        self.layout = images.layout

    def points(self, index: int) -> Tensor:
        return self.images.points(int(self.positions[index]))

    def all_points(self) -> Tensor:
        return self.images.all_points()[self.positions]

    def box(self, index: int) -> Tensor | None:
        return self.images.box(int(self.positions[index]))

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        chosen = self.positions if positions is None else self.positions[positions]
        return self.images.annotation_keys(chosen)

    def context(self) -> dict[str, Any]:
        return self.images.context()


class LandmarkSplit(NamedTuple):
    """Two sets that share no image.

    Attributes:
        train: to train on.
        test: to test on.
    """

    train: LandmarkSubset
    test: LandmarkSubset


def split_landmarks(
    images: LandmarkSource, num_test: int | None = None, *, seed: int = 0
) -> LandmarkSplit:
    """A split of the images into those to train on and those to test on.

    Faces of one image stay together.

    Args:
        images: what to split.
        num_test: how many images to test on; ``None`` for 30 %, rounded.
        seed: another seed draws other images.

    Returns:
        Both parts in the order of `images`.

    Raises:
        ValueError: if one part would be empty.

    Example:
        >>> from instdisc.data import SceneLandmarks, Scenes
        >>> train, test = split_landmarks(SceneLandmarks(Scenes(10, image_size=32)))
        >>> len(train), test.positions
        (7, tensor([2, 4, 8]))
    """
    checks.arguments(split_landmarks, locals(), num_test=checks.whole, seed=checks.count)
    names = image_names(images)
    number = {name: row for row, name in enumerate(dict.fromkeys(names))}
    _, test = draw_positions(len(number), num_test, seed=seed, name=images.name)
    in_test = torch.zeros(len(number), dtype=torch.bool)
    in_test[test] = True
    chosen = in_test[torch.tensor([number[name] for name in names])]
    return LandmarkSplit(
        LandmarkSubset(images, (~chosen).nonzero()[:, 0]),
        LandmarkSubset(images, chosen.nonzero()[:, 0]),
    )
