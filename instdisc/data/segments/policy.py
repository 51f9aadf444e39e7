"""How a training crop is made of an image and its mask.

Legend: B batch, H x W size of an image, n numbers of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import finite, positive, refuse, share
from instdisc.types import IGNORED_CLASS

from ..views.dataset import IMAGENET_MEAN
from ..views.draws import Draws
from ..views.photometric import PhotometricStep
from ..views.step_results import check_images, draw_colours

PADDING_COLOR = tuple(round(255 * mean) for mean in IMAGENET_MEAN)  # about 0 when normalised
_TRIES = 1 + 10  # the first crop, and those drawn in its place


class SegmentPolicy:
    """Random scale, crop, padding and flip of image and mask together; colours on the device.

    The image is scaled by a factor s, a random part of the crop's size is cut out, or all where
    the image is smaller, and padded on the right and below to the crop's size, the mask with 255.

    Args:
        crop_size: side of the crop in pixels, or its height and width.
        scale: smallest and largest s; drawn evenly.
        short_side: s = 1 brings the short side to so many pixels; ``None``: s = 1 is the image as
            it is.
        flip: chance of a horizontal flip.
        max_share: crops of which one class has this share or more of the pixels that count are
            drawn again, up to 10 times; the last is taken as it is. 1 takes the first.
        photometric: steps on the colours, in order, for the device.

    Attributes:
        interpolation: of the resizing, ``"bilinear"``, as the sources have it, unless the backbone
            was trained otherwise (`SegmentData.show_as`).

    Raises:
        ValueError: if an argument is out of range.

    Source:
        Chen et al., "Rethinking Atrous Convolution" (2017): scale 0.5 to 2 and flips. `max_share`
        0.75 is mmsegmentation's. Differs from both: only the part that becomes the crop is
        resized, so its edge looks at no pixel outside; images are resized with antialiasing.

    Example:
        >>> policy = SegmentPolicy((32, 48))
        >>> numbers = policy.draw(Draws(seed=0, epoch=0, indices=[7], view=0))
        >>> image = torch.zeros(3, 40, 40, dtype=torch.uint8)
        >>> crop = policy.cut(image, torch.zeros(40, 40, dtype=torch.uint8), numbers.frame[0])
        >>> crop.image.shape, crop.mask.shape
        (torch.Size([3, 32, 48]), torch.Size([32, 48]))
    """

    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __init__(
        self,
        crop_size: int | Sequence[int],
        *,
        scale: Sequence[float] = (0.5, 2.0),
        short_side: int | None = None,
        flip: float = 0.5,
        max_share: float = 1.0,
        photometric: Sequence[PhotometricStep] = (),
    ) -> None:
        checks.arguments(
            SegmentPolicy.__init__,
            locals(),
            crop_size=checks.whole,
            short_side=checks.whole,
            flip=checks.share,
            max_share=checks.share,
        )
        sides = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
        if len(sides) != 2:
            refuse("crop_size", "a side, or height and width", crop_size)
        if len(scale) != 2:
            refuse("scale", "the smallest and the largest factor", scale)
        positive("scale", scale[0])
        finite("scale", scale[1], at_least=scale[0])
        share("max_share", max_share, zero=False)
        self.crop_size: tuple[int, int] = (int(sides[0]), int(sides[1]))
        self.scale = (float(scale[0]), float(scale[1]))
        self.short_side = short_side
        self.flip = flip
        self.max_share = max_share
        self.photometric = tuple(photometric)

    def draw(self, draws: Draws) -> SegmentNumbers:
        """All random numbers of B crops."""
        colours = draw_colours(self.photometric, draws)
        frame = [draws.chance(self.flip), draws.uniform(*self.scale)]
        frame += [draws.uniform() for _ in range(2 * _TRIES)]
        return SegmentNumbers(np.stack(frame, 1).tolist(), colours)

    def cut(self, image: Tensor, mask: Tensor, numbers: Sequence[float]) -> Crop:
        """The worker's part.

        Args:
            image: ``(3, H, W)`` uint8.
            mask: ``(H, W)`` uint8.
            numbers: of one crop, from `draw`.
        """
        flipped, scale, *places = numbers
        height, width = mask.shape
        if self.short_side is not None:
            scale *= self.short_side / min(height, width)
        sizes = [  # of the scaled part, and of what it is cut from the image
            _lengths(length, side, scale)
            for length, side in zip((height, width), self.crop_size, strict=True)
        ]
        (tall, from_tall), (wide, from_wide) = sizes
        top, left = self._place(mask, (from_tall, from_wide), places)
        rows, columns = slice(top, top + from_tall), slice(left, left + from_wide)
        part, classes = image[:, rows, columns], mask[rows, columns]
        if (tall, wide) != (from_tall, from_wide):
            part = F.interpolate(
                part[None],
                (tall, wide),
                mode=self.interpolation,
                align_corners=False,
                antialias=True,
            )[0]
            classes = F.interpolate(classes[None, None], (tall, wide), mode="nearest-exact")[0, 0]
        if flipped:
            part, classes = part.flip(2), classes.flip(1)
        return Crop(*pad_pair(part, classes, self.crop_size), (tall, wide))

    def apply(self, images: Tensor, numbers: Tensor, sizes: Tensor) -> Tensor:
        """The device's part: colours. The padding keeps its own.

        Args:
            images: ``(B, 3, H, W)`` uint8.
            numbers: ``(B, n)`` float32, from `draw`.
            sizes: ``(B, 2)`` int64 height and width without the padding.

        Returns:
            ``(B, 3, H, W)`` uint8.
        """
        if not self.photometric:
            return images
        colours = images.float() / 255
        counts = [step.num_numbers for step in self.photometric]
        for step, drawn in zip(self.photometric, numbers.split(counts, dim=1), strict=True):
            colours = check_images(step, step.apply(colours, drawn), colours)
        changed = (colours * 255).round_().clamp_(0, 255).to(torch.uint8)
        rows, columns = (torch.arange(side, device=images.device) for side in images.shape[2:])
        tall, wide = sizes.to(images.device).unbind(1)
        inside = (rows < tall[:, None])[:, :, None] & (columns < wide[:, None])[:, None]
        return torch.where(inside[:, None], changed, images)

    def _place(
        self, mask: Tensor, size: tuple[int, int], places: Sequence[float]
    ) -> tuple[int, int]:
        """Top and left of the part to cut out."""
        tall, wide = size
        top = left = 0
        for down, across in zip(places[::2], places[1::2], strict=True):
            top = int(down * (mask.shape[0] - tall + 1))
            left = int(across * (mask.shape[1] - wide + 1))
            if self.max_share == 1:
                break
            classes = mask[top : top + tall, left : left + wide].numpy().ravel()
            counts = np.bincount(classes, minlength=IGNORED_CLASS + 1)[:IGNORED_CLASS]
            if counts.max() < self.max_share * counts.sum():
                break
        return top, left


class SegmentNumbers(NamedTuple):
    """The random numbers of B crops.

    Attributes:
        frame: B lists, for `SegmentPolicy.cut`.
        photometric: ``(B, n)`` float32, for the steps on the colours.
    """

    frame: list[list[float]]
    photometric: Tensor


class Crop(NamedTuple):
    """A padded crop.

    Attributes:
        image: ``(3, h, w)`` uint8.
        mask: ``(h, w)`` uint8, 255 in the padding.
        size: height and width without the padding.
    """

    image: Tensor
    mask: Tensor
    size: tuple[int, int]


def pad_pair(image: Tensor, mask: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Pads on the right and below: the image with the mean colour, the mask with 255.

    Args:
        image: ``(3, h, w)`` uint8.
        mask: ``(h, w)`` uint8.
        size: height and width, at least h and w.

    Example:
        >>> image, mask = torch.zeros(3, 1, 2).byte(), torch.zeros(1, 2).byte()
        >>> pad_pair(image, mask, (2, 2))[1].tolist()
        [[0, 0], [255, 255]]
    """
    if mask.shape == size:
        return image.contiguous(), mask.contiguous()
    height, width = mask.shape
    padded = torch.tensor(PADDING_COLOR, dtype=torch.uint8)[:, None, None].repeat(1, *size)
    ignored = torch.full(size, IGNORED_CLASS, dtype=torch.uint8)
    padded[:, :height, :width] = image
    ignored[:height, :width] = mask
    return padded, ignored


def _lengths(length: int, side: int, scale: float) -> tuple[int, int]:
    """Of the scaled part, and of what it is made from, along one axis."""
    scaled = max(1, round(length * scale))
    if scaled <= side:
        return scaled, length
    return side, min(length, max(1, round(side / scale)))
