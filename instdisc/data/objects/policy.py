"""How an image and its objects are resized and mirrored.

Legend: N objects, H x W size of an image, h x w size of it when resized.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from instdisc import checks
from instdisc.checks import refuse, whole
from instdisc.types import Objects

from ..views.draws import Draws

VOC_SHORT_SIDES = tuple(range(480, 801, 32))


class ObjectPolicy:
    """Resizing to a short side that is drawn, with a limit on the long one, and a flip.

    Images are resized as uint8 with antialias; masks take the nearest pixel.

    Args:
        short_sides: lengths in pixels to draw from, each as likely as the others.
        longest_side: of the resized image in pixels; where the short side would make the long one
            longer, the image gets smaller until it fits.
        flip: chance of a horizontal flip.
        per_batch: draw one short side for the whole batch of all processes; else for each image.

    Attributes:
        interpolation: of the resizing, ``"bilinear"``, as the sources have it, unless the backbone
            was trained otherwise (`ObjectData.show_as`).

    Raises:
        ValueError: if `short_sides` is empty or one is not positive, `longest_side` is below the
            largest of them, or `flip` lies outside [0, 1].

    Source:
        detectron2 as MoCo's recipes set it: 480 to 800 in steps of 32 for VOC, 640 to 800 for
        COCO, longest side 1333, flip 0.5, a side for each image; tests at 800.

    Example:
        >>> policy = ObjectPolicy(longest_side=1000)
        >>> policy.size(375, 500, short_side=800)  # 800 x 1067 would be too long
        (750, 1000)
    """

    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __init__(
        self,
        short_sides: Sequence[int] = VOC_SHORT_SIDES,
        longest_side: int = 1333,
        *,
        flip: float = 0.5,
        per_batch: bool = False,
    ) -> None:
        checks.arguments(
            ObjectPolicy.__init__,
            locals(),
            short_sides=checks.whole,
            longest_side=checks.whole,
            flip=checks.share,
        )
        if not len(short_sides):
            refuse("short_sides", "a list of numbers of pixels", list(short_sides))
        whole(
            "longest_side",
            longest_side,
            at_least=max(short_sides),
            remedy=f"The largest of `short_sides` is {max(short_sides)}.",
        )
        self.short_sides = tuple(short_sides)
        self.longest_side = longest_side
        self.flip = flip
        self.per_batch = per_batch

    def for_test(self) -> ObjectPolicy:
        """The largest short side, without chance."""
        policy = ObjectPolicy([max(self.short_sides)], self.longest_side, flip=0.0)
        policy.interpolation = self.interpolation
        return policy

    def draw(self, draws: Draws) -> tuple[list[int], list[bool]]:
        """Short side, and whether it is mirrored, for each of B images."""
        flipped = draws.chance(self.flip)
        return self.draw_sides(draws), flipped.tolist()

    def draw_sides(self, draws: Draws) -> list[int]:
        """A short side for each of B images."""
        choices = draws.uniform(0, len(self.short_sides)).astype(np.int64)
        return [self.short_sides[choice] for choice in choices.tolist()]

    def size(self, height: int, width: int, short_side: int) -> tuple[int, int]:
        """Height and width of the resized image."""
        scale = short_side / min(height, width)
        # The limit is put on the unrounded length, as detectron2 does.
        if scale * max(height, width) > self.longest_side:
            scale = self.longest_side / max(height, width)
        return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))

    def apply(
        self, image: Tensor, objects: Objects, short_side: int, flipped: bool
    ) -> tuple[Tensor, Objects]:
        """An image and its objects, resized and perhaps mirrored.

        Args:
            image: ``(3, H, W)`` uint8.
            objects: in its pixels.
            short_side: of the result.
            flipped: whether it is mirrored.

        Returns:
            ``(3, h, w)`` uint8, and the objects in its pixels.

        Example:
            >>> from instdisc.data import SceneObjects, Scenes
            >>> scenes = SceneObjects(Scenes(1, image_size=64))
            >>> policy = ObjectPolicy([96])
            >>> image, found = policy.apply(scenes.read(0), scenes.objects(0), 96, flipped=False)
            >>> image.shape, torch.equal(found.boxes, 1.5 * scenes.objects(0).boxes)
            (torch.Size([3, 96, 96]), True)
        """
        height, width = image.shape[1:]
        tall, wide = self.size(height, width, short_side)
        if (tall, wide) != (height, width):
            way = TF.InterpolationMode(self.interpolation)
            image = TF.resize(image, [tall, wide], way, antialias=True)
        if flipped:
            image = image.flip(2)
        boxes = objects.boxes * objects.boxes.new_tensor([wide / width, tall / height] * 2)
        if flipped:
            boxes = torch.stack(
                [wide - boxes[:, 2], boxes[:, 1], wide - boxes[:, 0], boxes[:, 3]], 1
            )
        masks = objects.masks
        if masks is not None:
            masks = _resize_masks(masks, tall, wide, flipped)
        return image, objects._replace(boxes=boxes, masks=masks)


def for_training(objects: Objects, height: int, width: int) -> Objects:
    """What a detector is trained on: no crowds, and boxes clipped to the image.

    Source:
        detectron2, whose recipes the published numbers come from, does both.

    Example:
        >>> boxes = torch.tensor([[-2.0, 3.0, 5.0, 9.0], [0.0, 0.0, 4.0, 4.0]])
        >>> crowd = torch.tensor([False, True])
        >>> found = Objects(boxes, torch.zeros(2).long(), None, torch.zeros(2).bool(), crowd)
        >>> for_training(found, height=8, width=8).boxes
        tensor([[0., 3., 5., 8.]])
    """
    kept = ~objects.crowd
    if not kept.all():
        masks = None if objects.masks is None else objects.masks[kept]
        boxes, labels, difficult = (
            objects.boxes[kept],
            objects.labels[kept],
            objects.difficult[kept],
        )
        objects = Objects(boxes, labels, masks, difficult, objects.crowd[kept])
    limit = objects.boxes.new_tensor([width, height] * 2)
    return objects._replace(boxes=objects.boxes.clamp(min=0).minimum(limit))


def _resize_masks(masks: Tensor, height: int, width: int, flipped: bool) -> Tensor:
    """The nearest pixel of ``(N, H, W)``; numpy takes faster than torch selects."""
    rows = _nearest(masks.shape[1], height)
    columns = _nearest(masks.shape[2], width)
    if flipped:
        columns = columns[::-1]
    return torch.from_numpy(masks.numpy().take(columns, axis=2).take(rows, axis=1))


def _nearest(pixels: int, resized: int) -> np.ndarray:
    places: np.ndarray = ((np.arange(resized) + 0.5) * (pixels / resized)).astype(np.int64)
    return places.clip(max=pixels - 1)
