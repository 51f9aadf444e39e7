"""Sets of every kind, by what a user writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

# TEMPORARY until the rooms hand out their own
from .catalog import CATALOG
from .images.source import ImageSource
from .images.splits import split_per_class
from .images.tables import column_names
from .landmarks.opening import open_landmarks
from .layout import Layout, Part, open_by_layout
from .objects.opening import open_objects, split_objects
from .objects.source import ObjectSource
from .opening import open_images
from .segments.opening import open_segments


def _shim():
    named = {
        "objects": ("voc07", "voc0712", "coco", "scenes"),
        "segments": ("camvid", "cityscapes", "voc2012_segmentation", "scenes"),
        "landmarks": ("mafl", "celeba", "scenes"),
    }
    openers = {"objects": open_objects, "segments": open_segments, "landmarks": open_landmarks}
    signs = {
        "objects": ("Annotations/", "PedMasks/", "annotations/instances_*.json"),
        "segments": ("masks/*/", "*/masks/"),
        "landmarks": ("*_keypoints.csv",),
    }

    def has(path, kind):
        return any(any(path.glob(sign)) for sign in signs[kind])

    found = []
    for key, entry in CATALOG.items():
        if entry.transfer:
            found.append(
                Layout(
                    "images",
                    key,
                    lambda path, part, key=key: open_images(f"{key}={path}", part=part),
                    folder=entry.folder or key,
                )
            )
    found.append(
        Layout(
            "images",
            "table",
            lambda path, part: open_images(path, part=part),
            lambda path: path.is_file() and "label" in column_names(path),
        )
    )
    found.append(
        Layout(
            "images",
            "folder",
            lambda path, part: open_images(path, part=part),
            lambda path: path.is_dir() and not any(has(path, k) for k in signs),
        )
    )
    for kind, names in named.items():
        for name in names:
            found.append(
                Layout(
                    kind,
                    name,
                    lambda path, part, kind=kind, name=name: openers[kind](name, path, part=part),
                )
            )
        found.append(
            Layout(
                kind,
                kind,
                lambda path, part, kind=kind: openers[kind](path, part=part),
                lambda path, kind=kind: path.is_dir() and has(path, kind),
            )
        )
    return found


LAYOUTS: list[Layout] = _shim()
"""Every layout that is known, of every kind; append your own."""


def open_set(
    kind: str, name: str | Path, root: str | Path | None = None, *, part: Part
) -> ImageSource:
    """A part of a set of some kind; `open_images`, `open_objects` and so on open one kind each.

    Args:
        kind: ``"images"``, ``"objects"``, ``"segments"``, ``"landmarks"`` or one of your own.
        name: see `locate`.
        root: the folder that holds the sets; ``None`` for the working folder.
        part: ``"train"``, ``"test"``, ``"val"`` or ``"all"``.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: if it lies in no layout of that kind, or has no such part.
    """
    layouts = [layout for layout in LAYOUTS if layout.kind == kind]
    return open_by_layout(name, root, part=part, layouts=layouts)


def split_set(images: ImageSource, *, seed: int = 0) -> tuple[ImageSource, ImageSource]:
    """A split of any source into images to train on and images to test on, drawn by a seed.

    Of images with a class each 70 % of every class are to train on; of others 70 % of all.

    Args:
        images: what to split.
        seed: another seed draws other images.

    Raises:
        ValueError: if a part would be empty.

    Example:
        >>> from instdisc.data import Scenes
        >>> [len(part) for part in split_set(Scenes(40, image_size=32, num_categories=2))]
        [28, 12]
    """
    if images.kind == "images":
        split = split_per_class(images, seed=seed)
        return split.train, split.test
    if isinstance(images, ObjectSource):
        return split_objects(images, seed=seed)
    count = round(0.3 * len(images))
    if not 0 < count < len(images):
        raise ValueError(
            f"`images` must be enough for two parts, got the {len(images)} of {images.name!r}"
        )
    order = np.random.RandomState(seed).permutation(len(images))  # fixed for all time by numpy
    test, train = (torch.from_numpy(np.sort(part)) for part in (order[:count], order[count:]))
    return images.subset(train), images.subset(test)
