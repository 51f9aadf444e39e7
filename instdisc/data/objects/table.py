"""The objects of all images in a few arrays, checked once.

Legend: N images, M objects of all images together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc.types import Objects

from ..left_out import say_left_out
from .source import ObjectCounts


class ObjectTable(NamedTuple):
    """Arrays instead of a dictionary per object: quick to look up, shared by forked workers.

    Attributes:
        ends: ``(N + 1,)`` int64; image i has the rows ``ends[i]`` to before ``ends[i + 1]``.
        boxes: ``(M, 4)`` float32, and so on as in `Objects`.
        areas: ``(M,)`` float64.
    """

    ends: Tensor
    boxes: Tensor
    labels: Tensor
    difficult: Tensor
    crowd: Tensor
    areas: Tensor

    def rows(self, index: int) -> slice:
        """Where the objects of the image at a position stand."""
        return slice(int(self.ends[index]), int(self.ends[index + 1]))

    def objects(self, index: int, masks: Tensor | None = None) -> Objects:
        """The objects of the image at a position; the masks come from elsewhere."""
        rows = self.rows(index)
        return Objects(
            self.boxes[rows], self.labels[rows], masks, self.difficult[rows], self.crowd[rows]
        )

    def has_objects(self) -> Tensor:
        """``(N,)`` bool, see `ObjectSource`."""
        counted = torch.cat([torch.zeros(1, dtype=torch.int64), (~self.crowd).cumsum(0)])
        return counted[self.ends].diff() > 0

    def counts(self, num_classes: int, positions: Tensor | None = None) -> ObjectCounts:
        """The objects of each class in some images, ``None``: in all; see `ObjectSource`."""
        chosen = torch.ones(len(self.ends) - 1, dtype=torch.int64)
        if positions is not None:
            chosen = torch.zeros_like(chosen).index_add(0, positions, torch.ones_like(positions))
        weights = chosen.repeat_interleave(self.ends.diff())  # an image may be there twice
        return ObjectCounts.of(self.labels, self.difficult, self.crowd, num_classes, weights)

    def as_bytes(self) -> np.ndarray:
        """``(M, K)`` uint8: all that is known of each object but its mask."""
        columns = (self.boxes, self.labels[:, None], self.areas[:, None])
        flags = torch.stack([self.difficult, self.crowd], 1).numpy().view(np.uint8)
        wide = [np.ascontiguousarray(column.numpy()).view(np.uint8) for column in columns]
        return np.concatenate([*wide, flags], axis=1)


def make_table(
    name: str,
    images: Sequence[int] | np.ndarray,
    boxes: Sequence[Sequence[float]] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    *,
    sizes: Tensor,
    image_ids: Sequence[int | str],
    extents: np.ndarray | None = None,
    difficult: Sequence[bool] | np.ndarray | None = None,
    crowd: Sequence[bool] | np.ndarray | None = None,
    areas: Sequence[float] | np.ndarray | None = None,
    where: Callable[[int], str] | None = None,
) -> tuple[ObjectTable, np.ndarray]:
    """Checks objects, leaves out those without area and sorts the rest by their images.

    Objects without area are left out with one line in the log that counts them. Boxes
    that reach beyond the image by more than a pixel are kept as they are, with such a line.

    Args:
        name: of the set, for messages.
        images: ``(M,)`` position of the image of each object.
        boxes: ``(M, 4)`` left, top, right, bottom in pixels.
        labels: ``(M,)``.
        sizes: ``(N, 2)`` height and width of the images.
        image_ids: N, for messages.
        extents: ``(M, 2)`` width and height as the file has them, where a box of one pixel is
            written as one without extent (VOC); ``None``: of `boxes`.
        difficult: ``(M,)``; ``None``: none is.
        crowd: ``(M,)``; ``None``: none is.
        areas: ``(M,)``; ``None``: of the boxes.
        where: what to correct for an object, e.g. ``"annotation 7 in FILE"``; ``None``: nothing
            is known but its image.

    Returns:
        The table, and which of the M objects its rows are.

    Raises:
        ValueError: if a box is not finite, upside down, or shares no pixel with its image; counts
            them and names the first. If all of them look like shares of the image.
    """
    count = len(labels)
    image = np.asarray(images, dtype=np.int64)
    box = np.asarray(boxes, dtype=np.float64).reshape(count, 4)
    extent: np.ndarray = box[:, 2:] - box[:, :2] if extents is None else extents
    limits = sizes.numpy()[image][:, ::-1].astype(np.float64)  # (M, 2) width, height

    def describe(row: int) -> str:
        corners = ", ".join(f"{value:g}" for value in box[row])
        return f"image {image_ids[image[row]]} ({corners})"

    def example(row: int) -> str:
        return describe(row) + ("" if where is None else f" of {where(row)}")

    def refuse(bad: np.ndarray, rule: str, remedy: str) -> None:
        rows = np.flatnonzero(bad)
        if len(rows):
            height, width = sizes[image[rows[0]]].tolist()
            raise ValueError(
                f"every box (left, top, right, bottom) in {name!r} must {rule}; {len(rows)} of "
                f"{count} do not, first: {describe(rows[0])} of {width} x {height} pixels. Correct "
                f"{'the annotation' if where is None else where(int(rows[0]))}{remedy}"
            )

    infinite = ~np.asarray(np.isfinite(box).all(axis=1))
    upside_down = np.asarray((extent < 0).any(axis=1))
    refuse(infinite, "be finite", ".")
    refuse(
        upside_down,
        "have its left before its right and its top above its bottom",
        ": are the corners, or corner and size, mixed up?",
    )
    shares = count > 0 and box.max() <= 1 and limits.min() > 1
    refuse(
        np.full(count, shares),
        "be in pixels",
        " and all others: they look like shares of the image, to be multiplied by its size.",
    )
    nothing = np.asarray((extent == 0).any(axis=1))
    say_left_out(
        np.flatnonzero(nothing),
        f"{name}: left out %d objects without area, first: ",
        example,
    )
    outside = (box[:, :2] >= limits).any(1) | (box[:, 2:] <= 0).any(1)
    refuse(outside & ~nothing, "lie in its image", ", or the size of the image in it.")
    beyond = (box[:, :2] < -1).any(1) | (box[:, 2:] > limits + 1).any(1)
    say_left_out(
        np.flatnonzero(beyond & ~nothing),
        f"{name}: %d boxes reach beyond their image; training clips them, the evaluation takes "
        "them as they are, first: ",
        example,
    )
    kept = np.flatnonzero(~nothing)
    kept = kept[np.argsort(image[kept], kind="stable")]
    ends = np.searchsorted(image[kept], np.arange(len(sizes) + 1))
    all_areas = np.prod(box[:, 2:] - box[:, :2], axis=1) if areas is None else np.asarray(areas)

    def flags(values: Sequence[bool] | np.ndarray | None) -> Tensor:
        all_flags = np.zeros(count, bool) if values is None else np.asarray(values, dtype=bool)
        return torch.from_numpy(all_flags[kept])

    table = ObjectTable(
        torch.from_numpy(ends),
        torch.from_numpy(box[kept].astype(np.float32)),
        torch.from_numpy(np.asarray(labels, dtype=np.int64)[kept]),
        flags(difficult),
        flags(crowd),
        torch.from_numpy(all_areas[kept].astype(np.float64)),
    )
    return table, kept
