"""The built-in scenes as a detection set: no file, no download."""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc.types import Objects

from ..scenes import Scenes
from .source import ObjectSource


class SceneObjects(ObjectSource):
    """`Scenes` with the boxes and masks of their objects.

    Args:
        num_images: see `Scenes`, and so the others.
        image_size: height and width in pixels.
        num_categories: classes.
        max_others: most objects beside the main one.
        split: ``"train"``, ``"val"`` or ``"test"``.
        seed: another seed makes other images.

    Raises:
        ValueError: see `Scenes`.

    Example:
        >>> scenes = SceneObjects(4, image_size=48)
        >>> found = scenes.objects(0)
        >>> found.boxes.shape, found.masks.shape
        (torch.Size([2, 4]), torch.Size([2, 48, 48]))
    """

    def __init__(
        self,
        num_images: int,
        *,
        image_size: int = 128,
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
        self.name = self.scenes.name
        self.classes = self.scenes.classes
        self.labels = torch.full((num_images,), -1)
        self.image_ids = list(range(num_images))
        self.category_ids = list(range(1, num_categories + 1))
        self.masks = True
        self.sizes = torch.full((num_images, 2), image_size)
        self.has_objects = torch.ones(num_images, dtype=torch.bool)  # the main one always shows

    def read(self, index: int) -> Tensor:
        return self.scenes.read(index)

    def objects(self, index: int) -> Objects:
        scene = self.scenes[index]
        flags = torch.zeros(len(scene.boxes), dtype=torch.bool)
        return Objects(scene.boxes, scene.classes, scene.masks, flags, flags)
