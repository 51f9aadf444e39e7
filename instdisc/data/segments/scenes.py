"""The generated scenes with a class for each pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from ..scenes import Scenes
from .source import SegmentSource, no_labels


class SceneSegments(SegmentSource):
    """`Scenes` as segmentation: the background, and each category.

    Args:
        num_images: see `Scenes`, like the rest.
        image_size: height and width in pixels, 32 to 512.
        num_categories: at least 2.
        max_others: most smaller objects in an image; 0 to 8.
        split: ``"train"``, ``"val"`` or ``"test"``.
        seed: 0 to 2**32 - 1.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: an argument is of another type.

    Example:
        >>> segments = SceneSegments(8, image_size=32, num_categories=2)
        >>> image, mask = segments.pair(3)
        >>> len(segments.classes), mask.shape, mask.dtype
        (3, torch.Size([32, 32]), torch.uint8)
    """

    def __init__(
        self,
        num_images: int,
        *,
        image_size: int = 64,
        num_categories: int = 10,
        max_others: int = 3,
        split: str = "train",
        seed: int = 0,
    ) -> None:
        self.scenes = Scenes(
            num_images,
            image_size=image_size,
            num_categories=num_categories,
            max_others=max_others,
            split=split,
            seed=seed,
        )
        self.name = "scenes"
        self.classes = ["background", *self.scenes.classes]
        self.labels = no_labels(num_images)

    def read(self, index: int) -> Tensor:
        return self.scenes.read(index)

    def mask(self, index: int) -> Tensor:
        return self.scenes[index].semantic.to(torch.uint8)

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        scene = self.scenes[index]  # drawn once for both
        return scene.image, scene.semantic.to(torch.uint8)
