"""Cut-outs of images around the errors of a detector.

Legend: E errors, S side of a cut-out in pixels, H x W size of an image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ObjectSource

from .overlaps import NO_OBJECT
from .tide import TIDE_TYPES, TideResult

_MARGIN = 1.5  # side of a cut-out over that of what it shows


@checked_call()
def error_tiles(
    result: TideResult, images: ObjectSource, *, per_type: int = 4, thumbnail: int = 128
) -> dict[str, np.ndarray]:
    """The most confident errors of each type, cut out of their images.

    Of the missed objects, which have no score, those are shown that are largest in their image.

    Args:
        result: of `tide` on these images.
        images: the test set.
        per_type: errors of each type, at most; of one image at most one of a type, as long as
            there are others.
        thumbnail: S; 0 reads no image.

    Returns:
        ``error_types`` ``(E,)`` int64 places in `TIDE_TYPES`; ``error_texts`` ``(E,)``, class and
        score, and the class of the object if it is another; ``error_boxes`` ``(E, 4)`` and
        ``error_objects`` ``(E, 4)`` left, top, right, bottom of the detection and of the object
        that it took or hit, as shares of the cut-out, NaN where there is none; ``error_images``
        ``(E,)`` ids; ``error_tiles`` ``(E, S, S, 3)`` uint8, grey beyond the image.

    Raises:
        TypeError, ValueError: if `per_type` or `thumbnail` is no whole number of at least 0, or
            `images` are not as many as those of `result`.

    Example:
        >>> import torch
        >>> from instdisc.data import SceneObjects, Scenes
        >>> from instdisc.types import Detections
        >>> from instdisc.analysis.errors import tide
        >>> scenes = SceneObjects(Scenes(1, image_size=32))
        >>> true = scenes.objects(0)
        >>> nothing = Detections(*(column[:0] for column in (true.boxes, true.labels)),
        ...     torch.zeros(0), None)
        >>> result = tide([nothing], [true], num_classes=len(scenes.classes))
        >>> error_tiles(result, scenes, per_type=1, thumbnail=16)["error_tiles"].shape
        (1, 16, 16, 3)
    """
    o = result.fixes.overlaps
    if len(images) != o.num_images:
        checks.refuse("images", f"the {o.num_images} that the result is of", len(images))
    shown = [*_mistakes(result, images, per_type), *_misses(result, images, per_type)]
    tiles = np.zeros((len(shown), thumbnail, thumbnail, 3), dtype=np.uint8)
    for tile, error in zip(tiles, shown, strict=True):
        if thumbnail:
            tile[:] = _cut(images.read(error.image), error.frame, thumbnail)
    return {
        "error_types": np.array([error.kind for error in shown], dtype=np.int64),
        "error_texts": np.array([error.text for error in shown], dtype=np.str_),
        "error_boxes": np.array([error.inside(error.box) for error in shown]).reshape(-1, 4),
        "error_objects": np.array([error.inside(error.near) for error in shown]).reshape(-1, 4),
        "error_images": np.array(
            [str(images.image_ids[error.image]) for error in shown], dtype=np.str_
        ),
        "error_tiles": tiles,
    }


class _Error(NamedTuple):
    """A detection, the object that it took or hit, or both; ``(4,)`` pixels of the image."""

    kind: int
    image: int
    text: str
    box: np.ndarray | None
    near: np.ndarray | None

    @property
    def frame(self) -> tuple[float, float, float]:
        """Left, top and side of a square around them."""
        corners = np.stack([box for box in (self.box, self.near) if box is not None])
        low, high = corners[:, :2].min(0), corners[:, 2:].max(0)
        side = max(1.0, _MARGIN * float((high - low).max()))
        left, top = (low + high - side) / 2
        return float(left), float(top), side

    def inside(self, box: np.ndarray | None) -> np.ndarray:
        """``(4,)`` shares of the square; NaN for none."""
        if box is None:
            return np.full(4, np.nan)
        left, top, side = self.frame
        shares: np.ndarray = (box - np.array([left, top, left, top])) / side
        return shares


def _mistakes(result: TideResult, images: ObjectSource, per_type: int) -> Iterator[_Error]:
    o = result.fixes.overlaps
    labels, hits = result.labels.numpy()[o.places], result.objects.numpy()[o.places]
    for kind in range(len(TIDE_TYPES) - 1):
        rows = np.flatnonzero(labels == kind + 1)
        for row in _spread(rows, -o.scores[rows], o.images, per_type):
            hit = int(hits[row])
            near = None if hit == NO_OBJECT else o.object_boxes[hit]
            text = f"{images.classes[o.labels[row]]} {o.scores[row]:.2f}"
            if near is not None and o.object_labels[hit] != o.labels[row]:
                text += f" for {images.classes[o.object_labels[hit]]}"
            yield _Error(kind, int(o.images[row]), text, o.boxes[row], near)


def _misses(result: TideResult, images: ObjectSource, per_type: int) -> Iterator[_Error]:
    o, kind = result.fixes.overlaps, TIDE_TYPES.index("Miss")
    rows = np.flatnonzero(result.missed.numpy())
    areas = (o.object_boxes[rows, 2:] - o.object_boxes[rows, :2]).prod(1)
    sizes = images.sizes[o.object_images[rows]].double().prod(1).numpy()
    for row in _spread(rows, -areas / sizes, o.object_images, per_type):
        name = str(images.classes[o.object_labels[row]])
        yield _Error(kind, int(o.object_images[row]), name, None, o.object_boxes[row])


def _spread(rows: np.ndarray, costs: np.ndarray, images: np.ndarray, most: int) -> list[int]:
    """The best rows, first one of each image."""
    rows = rows[np.argsort(costs, kind="stable")]
    first = np.zeros(len(rows), dtype=bool)
    first[np.unique(images[rows], return_index=True)[1]] = True
    chosen = np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)])[:most]
    picked: list[int] = rows[np.sort(chosen)].tolist()
    return picked


def _cut(image: Tensor, frame: tuple[float, float, float], size: int) -> np.ndarray:
    """``(size, size, 3)`` uint8 of a square that may reach beyond the image."""
    left, top, side = frame
    height, width = image.shape[1:]
    edges = [math.floor(left), math.floor(top), math.ceil(left + side), math.ceil(top + side)]
    inside = image[:, max(0, edges[1]) : edges[3], max(0, edges[0]) : edges[2]].float()
    beyond = (
        *(max(0, -edges[0]), max(0, edges[2] - width)),
        *(max(0, -edges[1]), max(0, edges[3] - height)),
    )
    square = F.pad(inside, beyond, value=128.0)
    resized = F.interpolate(square[None], (size, size), mode="bilinear", antialias=True)[0]
    pixels: np.ndarray = resized.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return pixels
