"""The built-in scenes as a detection set: no file, no download."""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.types import Objects

from ..images.contents import Keys
from ..images.source import no_labels
from ..scenes import Scenes
from .source import ObjectSource


class SceneObjects(ObjectSource):
    """`Scenes` with the boxes and masks of their objects.

    Args:
        scenes: the images.

    Example:
        >>> scenes = SceneObjects(Scenes(4, image_size=48))
        >>> found = scenes.objects(0)
        >>> found.boxes.shape, found.masks.shape
        (torch.Size([2, 4]), torch.Size([2, 48, 48]))
    """

    def __init__(self, scenes: Scenes) -> None:
        checks.arguments(SceneObjects.__init__, locals())
        count = len(scenes)
        self.scenes = scenes
        self.name = scenes.name
        self.classes = scenes.classes
        self.labels = no_labels(count)
        self.image_ids = list(range(count))
        self.category_ids = list(range(1, len(scenes.classes) + 1))
        self.masks = True
        self.sizes = torch.full((count, 2), scenes.image_size)
        self.has_objects = torch.ones(count, dtype=torch.bool)  # the main one always shows

    def read(self, index: int) -> Tensor:
        return self.scenes.read(index)

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        return self.scenes.image_keys(positions)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        if type(self).objects is not SceneObjects.objects:
            return super().annotation_keys(positions)
        return self.scenes.image_keys(positions)  # what draws an image draws its truth

    def objects(self, index: int) -> Objects:
        scene = self.scenes[index]
        flags = torch.zeros(len(scene.boxes), dtype=torch.bool)
        return Objects(scene.boxes, scene.classes, scene.masks, flags, flags)
