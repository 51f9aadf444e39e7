"""What every set of images offers to the loaders."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import torch
from torch import Tensor

from instdisc.types import UNKNOWN_LABEL

_Read = TypeVar("_Read")
_log = logging.getLogger(__name__)


class ImageSource(ABC):
    """Images with labels, read one by one; subclass it for images of another kind.

    Attributes:
        name: a short name for records and messages.
        classes: names of the classes; empty if there are no labels.
        labels: ``(N,)`` int64 class of each image, known without reading it; ``-1`` = unknown.
        on_unreadable: what `fetch` does where `read` raises a ValueError. ``"raise"`` lets it
            through; ``"skip"`` logs it as a warning and takes the next readable image.
    """

    name: str
    classes: Sequence[str]
    labels: Tensor
    on_unreadable: Literal["raise", "skip"] = "raise"

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, index: int) -> Tensor:
        """The image at a position as uint8 RGB, ``(3, H, W)``.

        Raises:
            ValueError: if the image is unreadable; names it.
        """

    def fetch(self, index: int) -> tuple[int, Tensor]:
        """The image to use at a position, and its own position: another one if this is skipped.

        Raises:
            ValueError: if the image is unreadable; with ``on_unreadable="skip"``, if all are.
        """
        return self._fetch(self.read, index)

    def _fetch(self, read: Callable[[int], _Read], index: int) -> tuple[int, _Read]:
        """The first position from `index` on that `read` accepts, and what it gave there."""
        if self.on_unreadable == "raise":
            return index, read(index)
        for offset in range(len(self)):
            candidate = (index + offset) % len(self)
            try:
                return candidate, read(candidate)
            except ValueError as error:
                _log.warning("skipped: %s", error)
        raise ValueError(f"not one of the {len(self)} images of {self.name!r} can be used")


class ImageSubset(ImageSource):
    """Some images of a source.

    Args:
        images: the source.
        positions: ``(M,)`` int64 positions in it; their order is kept.

    Raises:
        IndexError: if a position is outside the source.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(10, image_size=32)
        >>> few = ImageSubset(scenes, torch.tensor([7, 2]))
        >>> len(few), torch.equal(few.read(0), scenes.read(7))
        (2, True)
    """

    def __init__(self, images: ImageSource, positions: Tensor) -> None:
        check_positions(positions, images)
        self.images = images
        self.positions = positions
        self.name = images.name
        self.classes = images.classes
        self.labels = images.labels[positions]
        self.on_unreadable = images.on_unreadable

    def read(self, index: int) -> Tensor:
        return self.images.read(int(self.positions[index]))


def check_positions(positions: Tensor, images: ImageSource) -> None:
    """Raises an IndexError if a position lies outside a source."""
    outside = positions[(positions < 0) | (positions >= len(images))]
    if len(outside):
        raise IndexError(f"`positions` must lie in 0 to {len(images) - 1}, got {int(outside[0])}")


def no_labels(count: int) -> Tensor:
    """``(N,)`` int64 labels of images of unknown class."""
    return torch.full((count,), UNKNOWN_LABEL)
