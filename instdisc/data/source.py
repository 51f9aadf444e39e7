"""What every set of images offers to the loaders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor


class ImageSource(ABC):
    """Images with labels, read one by one; subclass it for images of another kind.

    Attributes:
        name: a short name for records and messages.
        classes: names of the classes; empty if there are no labels.
        labels: ``(N,)`` int64 class of each image, known without reading it; ``-1`` = unknown.
    """

    name: str
    classes: Sequence[str]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, index: int) -> Tensor:
        """The image at a position as uint8 RGB, ``(3, H, W)``."""

    def fetch(self, index: int) -> tuple[int, Tensor]:
        """The image to use at a position, and its own position: another one if this is skipped."""
        return index, self.read(index)


class ImageSubset(ImageSource):
    """Some images of a source.

    Args:
        images: the source.
        positions: ``(M,)`` int64 positions in it; their order is kept.

    Raises:
        IndexError: if a position is outside the source.
    """

    def __init__(self, images: ImageSource, positions: Tensor) -> None:
        self.images = images
        self.positions = positions
        self.name = images.name
        self.classes = images.classes
        self.labels = images.labels[positions]

    def read(self, index: int) -> Tensor:
        return self.images.read(int(self.positions[index]))
