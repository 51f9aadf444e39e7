"""Sets of every kind, by what a user writes."""

from __future__ import annotations

from pathlib import Path

from instdisc import checks

from .images.source import ImageSource
from .images.splits import draw_positions, split_per_class
from .landmarks.opening import LAYOUTS as LANDMARK_LAYOUTS
from .landmarks.source import LandmarkSource
from .landmarks.subset import split_landmarks
from .layout import Layout, Part, open_by_layout
from .objects.opening import LAYOUTS as OBJECT_LAYOUTS
from .opening import LAYOUTS as IMAGE_LAYOUTS
from .segments.opening import LAYOUTS as SEGMENT_LAYOUTS

LAYOUTS: list[Layout] = [
    *IMAGE_LAYOUTS,
    *OBJECT_LAYOUTS,
    *SEGMENT_LAYOUTS,
    *LANDMARK_LAYOUTS,
]
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

    Example:
        >>> len(open_set("segments", "scenes", part="test"))
        128
    """
    checks.arguments(open_set, locals())
    checks.choice("kind", kind, list(dict.fromkeys(layout.kind for layout in LAYOUTS)))
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
    checks.arguments(split_set, locals(), seed=checks.count)
    if isinstance(images, LandmarkSource):  # faces of one image stay together
        return split_landmarks(images, seed=seed)
    if images.kind == "images":
        return split_per_class(images, seed=seed)
    train, test = draw_positions(len(images), seed=seed, name=images.name)
    return images.subset(train), images.subset(test)
