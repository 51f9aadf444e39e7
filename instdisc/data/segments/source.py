"""What every set of images with a class for each pixel offers.

Legend: N images, C classes, H x W size of an image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instdisc import checks

from ..images.contents import Keys, as_keys, hash_parts
from ..images.source import ImageSource, check_positions

MOST_CLASSES = 254  # 255 is ignored, 254 marks an unknown id while a mask is read


class SegmentSource(ImageSource):
    """Images with a class for each pixel; subclass it for masks of another kind.

    As an `ImageSource` its images are unlabelled: the classes are those of the pixels.

    Attributes:
        name: a short name for records and messages.
        classes: names of the C classes of pixels.
        colors: ``(C, 3)`` uint8, how pictures show them.
    """

    kind = "segments"

    @property
    def colors(self) -> Tensor:
        return class_colors(len(self.classes))

    @abstractmethod
    def mask(self, index: int) -> Tensor:
        """The classes at a position, ``(H, W)`` uint8; 255 where a pixel is ignored.

        Raises:
            ValueError: if the mask is unreadable or holds an unknown id; names it.
        """

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        """The image and the mask at a position: ``(3, H, W)`` and ``(H, W)``, uint8.

        Raises:
            ValueError: if one is unreadable, or their sizes differ.
        """
        image, mask = self.read(index), self.mask(index)
        self.check_size(index, mask, (image.shape[1], image.shape[2]))
        return image, mask

    def check_size(self, index: int, mask: Tensor, size: tuple[int, int]) -> None:
        """Raises a ValueError if a mask is not of the size of its image, height and width."""
        if mask.shape != size:
            raise ValueError(
                f"{self.place(index)}: the image is {size[1]} x {size[0]} pixels "
                f"and its mask {mask.shape[1]} x {mask.shape[0]}; they must be of one size"
            )

    def image_size(self, index: int) -> tuple[int, int] | None:
        """Height and width of the image at a position if they are known without decoding it.

        Raises:
            ValueError: if the image is unreadable; names it.
        """
        return None

    def mask_values(self, index: int) -> np.ndarray:
        """What the mask at a position holds before it is turned into classes, ``(H, W)``.

        Messages name these values; they are the classes where there is nothing else.
        """
        return self.mask(index).numpy()

    def fetch_pair(self, index: int) -> tuple[int, Tensor, Tensor]:
        """The pair to use at a position, and its own position: another one if this is skipped.

        Raises:
            ValueError: if the pair is bad; with ``on_unreadable="skip"``, if all are.
        """
        position, (image, mask) = self._fetch(self.pair, index)
        return position, image, mask

    def subset(self, positions: Tensor) -> SegmentSubset:
        return SegmentSubset(self, positions)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        return Keys(as_keys(self._mask_key(index) for index in self._rows(positions)), True)

    def _mask_key(self, index: int) -> bytes:
        try:
            mask = self.mask(index)
        except ValueError:  # the reader's business
            return hash_parts(b"unreadable")
        return hash_parts(str(tuple(mask.shape)).encode(), mask.contiguous().numpy().tobytes())

    def place(self, index: int) -> str:
        """How messages name the image at a position."""
        return f"image {index} of {self.name!r}"


class SegmentSubset(SegmentSource):
    """Some images of a source.

    Args:
        segments: the source.
        positions: ``(M,)`` int64 positions in it; their order is kept.

    Raises:
        IndexError: if a position is outside the source.

    Example:
        >>> from instdisc.data import SceneSegments, Scenes
        >>> len(SegmentSubset(SceneSegments(Scenes(4)), torch.tensor([2, 0])))
        2
    """

    def __init__(self, segments: SegmentSource, positions: Tensor) -> None:
        checks.arguments(SegmentSubset.__init__, locals())
        check_positions(positions, segments)
        self.segments = segments
        self.positions = positions
        self.name = segments.name
        self.classes = segments.classes
        self.labels = segments.labels[positions]
        self.on_unreadable = segments.on_unreadable

    @property
    def colors(self) -> Tensor:
        return self.segments.colors

    def read(self, index: int) -> Tensor:
        return self.segments.read(int(self.positions[index]))

    def image_names(self) -> list[str]:
        names = self.segments.image_names()
        return [names[position] for position in self.positions.tolist()]

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        chosen = self.positions if positions is None else self.positions[positions]
        return self.segments.image_keys(chosen)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        chosen = self.positions if positions is None else self.positions[positions]
        return self.segments.annotation_keys(chosen)

    def context(self) -> dict[str, Any]:
        return {**self.segments.context(), "on_unreadable": self.on_unreadable}

    def mask(self, index: int) -> Tensor:
        return self.segments.mask(int(self.positions[index]))

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        return self.segments.pair(int(self.positions[index]))

    def place(self, index: int) -> str:
        return self.segments.place(int(self.positions[index]))

    def image_size(self, index: int) -> tuple[int, int] | None:
        return self.segments.image_size(int(self.positions[index]))

    def mask_values(self, index: int) -> np.ndarray:
        return self.segments.mask_values(int(self.positions[index]))


def class_colors(num_classes: int) -> Tensor:
    """A colour for each class, ``(C, 3)`` uint8: those of PASCAL VOC, class 0 black.

    The bits of the class are dealt out to red, green and blue, the lowest to the highest bits of
    the colours, so that the first classes differ most.

    Args:
        num_classes: C.

    Source:
        The colour map of the PASCAL VOC development kit.

    Example:
        >>> class_colors(4).tolist()
        [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    checks.arguments(class_colors, locals(), num_classes=checks.whole)
    classes = torch.arange(num_classes)
    colors = torch.zeros(num_classes, 3, dtype=torch.int64)
    for place in range(8):
        for channel in range(3):
            colors[:, channel] |= (classes >> (3 * place + channel) & 1) << (7 - place)
    return colors.to(torch.uint8)


def check_classes(classes: Sequence[str]) -> list[str]:
    """The names of the classes.

    Raises:
        TypeError: if `classes` is one string.
        ValueError: if there are fewer than 2 or more than 254, or a name comes twice.
    """
    if isinstance(classes, str):
        raise TypeError(f"`classes` must be a list of names, got the string {classes!r}")
    names = [str(name) for name in classes]
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError(
            f"`classes` must name 2 to {MOST_CLASSES} classes, got {len(names)}. What belongs to "
            "no other class is one too: 'background'."
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"`classes` must differ, got {twice[0]!r} {names.count(twice[0])} times")
    return names
