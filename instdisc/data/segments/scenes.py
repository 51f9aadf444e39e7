"""The generated scenes with a class for each pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks

from ..images.contents import Keys
from ..images.source import no_labels
from ..scenes import Scenes
from .source import SegmentSource


class SceneSegments(SegmentSource):
    """`Scenes` as segmentation: the background, and each category.

    Args:
        scenes: the images; of at least 2 categories, as every `Scenes` is.

    Example:
        >>> segments = SceneSegments(Scenes(8, image_size=32, num_categories=2))
        >>> image, mask = segments.pair(3)
        >>> len(segments.classes), mask.shape, mask.dtype
        (3, torch.Size([32, 32]), torch.uint8)
    """

    def __init__(self, scenes: Scenes) -> None:
        checks.arguments(SceneSegments.__init__, locals())
        self.scenes = scenes
        self.name = scenes.name
        self.classes = ["background", *scenes.classes]
        self.labels = no_labels(len(scenes))

    def read(self, index: int) -> Tensor:
        return self.scenes.read(index)

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        return self.scenes.image_keys(positions)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        return self.scenes.image_keys(positions)  # what draws an image draws its truth

    def mask(self, index: int) -> Tensor:
        return self.scenes[index].semantic.to(torch.uint8)

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        scene = self.scenes[index]  # drawn once for both
        return scene.image, scene.semantic.to(torch.uint8)
