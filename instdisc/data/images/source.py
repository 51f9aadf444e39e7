"""What every set of images offers to the loaders."""

from __future__ import annotations

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from instdisc import checks
from instdisc.types import UNKNOWN_LABEL

from .ahead import ReadAhead
from .contents import Keys, as_keys, hash_parts
from .order import EpochOrder

_Read = TypeVar("_Read")
_log = logging.getLogger(__name__)


class Fingerprint(NamedTuple):
    """What a set of images holds, in one hash.

    Attributes:
        digest: 32 hexadecimal digits.
        by_content: whether it is of what all files hold; else of paths and sizes, see `file_keys`.
    """

    digest: str
    by_content: bool


class ImageSource(ABC):
    """Images with labels, read one by one; subclass it for images of another kind.

    Attributes:
        kind: what the images come with, see `instdisc.data.Layout`.
        name: a short name for records and messages.
        classes: names of the classes; empty if there are no labels.
        labels: ``(N,)`` int64 class of each image, known without reading it; ``-1`` = unknown.
        on_unreadable: what `fetch` does where `read` raises a ValueError. ``"raise"`` lets it
            through; ``"skip"`` logs it as a warning and takes the next readable image.
    """

    kind: str = "images"
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

    def encoded(self, index: int) -> bytes | None:
        """The bytes that `read` decodes, and does nothing else; ``None`` where it is otherwise.

        For who decodes images elsewhere; whether they can be decoded is not known yet.
        """
        return None

    def image_names(self) -> list[str]:
        """What each image is called, the same on every machine: for split files and predictions."""
        return [str(position) for position in range(len(self))]

    def epoch_order(self, seed: int, positions: Tensor | None = None) -> EpochOrder | None:
        """A random order that suits where the images lie; ``None`` if any order does.

        Args:
            seed: another one has another order.
            positions: ``(M,)`` int64, if some of the images are read alone: then the order is one
                of the places in it, 0 to M - 1.
        """
        return None

    def read_ahead(self, batches: Iterator[Tensor]) -> ReadAhead | None:
        """Fetches what is needed soon, if that takes longer than to read it.

        Args:
            batches: the positions of each batch that this process reads from now on.

        Returns:
            Who is to be told of each batch whose turn comes.
        """
        return None

    def subset(self, positions: Tensor) -> ImageSource:
        """Some of the images, ``(M,)`` int64 positions, with all that is known of them."""
        return ImageSubset(self, positions)

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        """A hash of what each image shows: here of its pixels, for files of their bytes.

        Args:
            positions: ``(M,)`` int64; ``None`` for all.
        """
        return Keys(as_keys(self._pixel_key(index) for index in self._rows(positions)), True)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys | None:
        """A hash of all that is annotated on each image; ``None`` for nothing but its label.

        Args:
            positions: ``(M,)`` int64; ``None`` for all.
        """
        return None

    def context(self) -> dict[str, Any]:
        """What is true of the set as a whole and changes results; JSON values."""
        return {"classes": list(self.classes), "on_unreadable": self.on_unreadable}

    def fingerprint(self) -> Fingerprint:
        """A hash of all that a result on this set depends on, and of nothing else.

        Images, annotations, labels, classes and the order are part of it; names, places and times
        of files are not, so that a copy elsewhere has the same one.
        """
        digest = hashlib.sha256(json.dumps(self.context(), sort_keys=True).encode())
        digest.update(self.labels.to(torch.int64).numpy().tobytes())
        by_content = True
        for keys in (self.image_keys(), self.annotation_keys()):
            digest.update(b"none" if keys is None else keys.keys.tobytes())
            by_content = by_content and (keys is None or keys.by_content)
        return Fingerprint(digest.hexdigest()[:32], by_content)

    def _rows(self, positions: Tensor | None) -> Sequence[int]:
        return range(len(self)) if positions is None else positions.tolist()

    def _pixel_key(self, index: int) -> bytes:
        try:
            image = self.read(index)
        except ValueError:  # the reader's business; what is read in its place has its own key
            return hash_parts(b"unreadable")
        return hash_parts(
            str(tuple(image.shape)).encode(), image.contiguous().numpy().data.cast("B")
        )

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
        checks.arguments(ImageSubset.__init__, locals())
        check_positions(positions, images)
        self.images = images
        self.positions = positions
        self.name = images.name
        self.classes = images.classes
        self.labels = images.labels[positions]
        self.on_unreadable = images.on_unreadable

    def read(self, index: int) -> Tensor:
        return self.images.read(int(self.positions[index]))

    def encoded(self, index: int) -> bytes | None:
        return self.images.encoded(int(self.positions[index]))

    def epoch_order(self, seed: int, positions: Tensor | None = None) -> EpochOrder | None:
        return self.images.epoch_order(seed, self._chosen(positions))

    def read_ahead(self, batches: Iterator[Tensor]) -> ReadAhead | None:
        return self.images.read_ahead(self.positions[rows] for rows in batches)

    def image_names(self) -> list[str]:
        names = self.images.image_names()
        return [names[position] for position in self.positions.tolist()]

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        return self.images.image_keys(self._chosen(positions))

    def _chosen(self, positions: Tensor | None) -> Tensor:
        return self.positions if positions is None else self.positions[positions]


def check_positions(positions: Tensor, images: ImageSource) -> None:
    """Refuses positions ``(N,)`` that are no whole numbers, none, or outside a source.

    Raises:
        TypeError: if they are no tensor of whole numbers.
        ValueError: if there are none, or they have another shape.
        IndexError: if one lies outside.
    """
    checks.dtype("positions", positions, checks.INTEGERS)
    checks.shape("positions", positions, ("N",))
    if not len(positions):
        checks.refuse("positions", f"at least one image of {images.name!r}", positions)
    outside = positions[(positions < 0) | (positions >= len(images))]
    if len(outside):
        raise IndexError(f"`positions` must lie in 0 to {len(images) - 1}, got {int(outside[0])}")


def no_labels(count: int) -> Tensor:
    """``(N,)`` int64 labels of images of unknown class."""
    return torch.full((count,), UNKNOWN_LABEL)
