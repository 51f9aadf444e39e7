"""The data sets that a suite is run on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from instdisc.data import (
    CATALOG,
    ImagesInMemory,
    ImageSource,
    LandmarkSource,
    ObjectSource,
    SegmentSource,
    open_images,
    open_landmarks,
    open_objects,
    open_segments,
)

from ..features.extract import Features
from .kinds import Kind
from .tasks import Part

_OPEN: dict[Kind, Callable[..., ImageSource]] = {
    "objects": open_objects,
    "segments": open_segments,
    "landmarks": open_landmarks,
}


class ImageSet:
    """A set of images with classes, whose parts are opened when they are needed.

    Args:
        name: what `open_images` understands.
        root: the folder that holds the sets.
        keep: ``"memory"`` to decode the images once for the tasks that train on them.

    Attributes:
        name: for records.
    """

    def __init__(self, name: str, root: str | Path, keep: Literal["nothing", "memory"]) -> None:
        self._asked = name
        self._root = root
        self._keep = keep
        self._parts: dict[Part, ImageSource] = {}
        self._kept: dict[Part, ImageSource] = {}
        key = name.partition("=")[0]
        self._has = CATALOG[key].transfer if key in CATALOG else {"all", "train", "test"}
        self.name = key if key in CATALOG else Path(name).stem

    def refusal(self, parts: Sequence[Part]) -> str:
        """Why a task cannot have these parts; ``""`` if it can."""
        lacking = self.lacks(parts)
        return f"which has no part {lacking[0]!r}" if lacking else ""

    def lacks(self, parts: Sequence[Part]) -> list[Part]:
        """Those that the set does not have."""
        return [part for part in parts if part not in self._has]

    def images(self, part: Part) -> ImageSource:
        """A part, to be read.

        Raises:
            FileNotFoundError: if the set is not there.
            ValueError: if its files lie in another layout.
        """
        if part not in self._parts:
            self._parts[part] = open_images(self._asked, self._root, part=part)
        return self._parts[part]

    def kept(self, part: Part) -> ImageSource:
        """A part to train on: in memory if this was asked for."""
        if self._keep == "nothing":
            return self.images(part)
        if part not in self._kept:
            self._kept[part] = ImagesInMemory(self.images(part))
        return self._kept[part]

    def forget(self) -> None:
        """Lets go of what is kept in memory."""
        self._kept.clear()

    def digest(self, parts: Sequence[Part]) -> str:
        """A hash of classes, labels and order."""
        digest = hashlib.sha256()
        for part in parts:
            images = self.images(part)
            digest.update(repr((part, list(images.classes))).encode())
            digest.update(images.labels.numpy().tobytes())
        return digest.hexdigest()

    def features(self, part: Part, extract: Callable[[ImageSource], Features]) -> Features:
        """The features of a part; those of all images out of both parts where this gives all."""
        if part == "all" and not self.lacks(["train", "test"]):
            found = self._joined(extract)
            if found is not None:
                return found
        return extract(self.images(part))

    def _joined(self, extract: Callable[[ImageSource], Features]) -> Features | None:
        wanted = image_files(self.images("all"))
        rows: dict[Path, int] = {}
        for part in ("train", "test"):
            for path in image_files(self.images(part)) or ():
                rows.setdefault(path, len(rows))
        if wanted is None or set(wanted) != set(rows) or len(rows) != len(wanted):
            return None
        train, test = extract(self.images("train")), extract(self.images("test"))
        if len(train.labels) + len(test.labels) != len(rows):
            return None
        order = torch.tensor([rows[path] for path in wanted])
        return Features(*(torch.cat(pair)[order] for pair in zip(train, test, strict=True)))


class AnnotatedSet:
    """A set of images with objects, masks or points, whose parts are opened when they are needed.

    Args:
        kind: ``"objects"``, ``"segments"`` or ``"landmarks"``.
        name: what `open_objects`, `open_segments` or `open_landmarks` understands.
        root: the folder that holds the sets.

    Attributes:
        name: for records.
    """

    def __init__(self, kind: Kind, name: str, root: str | Path) -> None:
        self._open = _OPEN[kind]
        self._asked = name
        self._root = root
        self._parts: dict[Part, ImageSource] = {}
        key, given, _ = name.partition("=")
        self.name = key if given else Path(name).stem

    def refusal(self, parts: Sequence[Part]) -> str:
        """Nothing: the tasks on these sets train and test, and every such set has both parts."""
        return ""

    def images(self, part: Part) -> ImageSource:
        """A part.

        Raises:
            FileNotFoundError: if the set is not there.
            ValueError: if its files lie in another layout.
        """
        if part not in self._parts:
            self._parts[part] = self._open(self._asked, self._root, part=part)
        return self._parts[part]

    kept = images  # these images are too large to be kept

    def forget(self) -> None:
        """Nothing is kept."""

    def digest(self, parts: Sequence[Part]) -> str:
        """A hash of classes, images and annotations, as far as these are known without masks."""
        digest = hashlib.sha256()
        for part in parts:
            images = self.images(part)
            digest.update(repr((part, list(images.classes), len(images))).encode())
            for index in range(len(images)):
                digest.update(_annotation(images, index) + b"/")
        return digest.hexdigest()


def _annotation(images: Any, index: int) -> bytes:
    if isinstance(images, ObjectSource):
        areas: bytes = images.areas(index).numpy().tobytes()
        return repr(images.image_ids[index]).encode() + areas
    if isinstance(images, LandmarkSource):
        points: bytes = images.points(index).numpy().tobytes()
        return points
    assert isinstance(images, SegmentSource)
    return images.place(index).encode()
