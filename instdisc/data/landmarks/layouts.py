"""What the points of a set are: names, left and right, and the length that errors are measured by.

Legend: P points.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..scenes.shapes import FLIP_PAIRS, KEYPOINTS


class LandmarkLayout(NamedTuple):
    """The points of a set of images.

    Attributes:
        names: of the P points, in their order.
        flip_pairs: points that change places when an image is flipped.
        eyes: two groups of points; the distance between the means of those of them that are
            visible is what errors are divided by.

    Example:
        >>> FACE_5.order
        [1, 0, 2, 4, 3]
        >>> pupils = FACE_68._replace(eyes=(tuple(range(36, 42)), tuple(range(42, 48))))
    """

    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    eyes: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def order(self) -> list[int]:
        """Which point stands at each place after a flip, ``(P,)``."""
        order = list(range(len(self.names)))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order

    def distance(self, points: Tensor, visible: Tensor | None = None) -> Tensor:
        """Distance between the eyes, by their visible points alone.

        Args:
            points: ``(..., P, 2)`` or ``(..., P, 3)``, in pixels; a third column above 0 says
                that a point is visible, as `LandmarkSource.points` gives it.
            visible: ``(..., P)`` bool; ``None`` for what the third column says, else for all.

        Returns:
            ``(...)``, in pixels; NaN where an eye has no visible point: the errors of such a face
            have no unit, and it is left out of the score.

        Example:
            >>> face = torch.tensor([[2.0, 5, 1], [9, 5, 1], [5, 8, 1], [3, 9, 1], [7, 9, 1]])
            >>> hidden = face.clone()
            >>> hidden[0] = torch.tensor([-1.0, -1, 0])
            >>> FACE_5.distance(torch.stack([face, hidden]))
            tensor([7., nan])
        """
        if visible is None:
            column = points[..., 2] if points.shape[-1] > 2 else torch.ones_like(points[..., 0])
            visible = column > 0
        left, right = (_visible_mean(points, visible, list(eye)) for eye in self.eyes)
        return torch.linalg.vector_norm(left - right, dim=-1)


def _visible_mean(points: Tensor, visible: Tensor, group: list[int]) -> Tensor:
    """Mean of the visible points of a group, ``(..., 2)``; NaN where there is none."""
    counts = visible[..., group, None]
    # A sum of nothing over nothing is NaN.
    return (points[..., group, :2] * counts).sum(-2) / counts.sum(-2)


def check_layout(layout: LandmarkLayout, num_points: int) -> LandmarkLayout:
    """The layout, if it fits points of that number.

    Raises:
        ValueError: if it has another number of names, or pairs or eyes name no point of it, one
            twice, or none.
    """
    if len(layout.names) != num_points:
        raise ValueError(
            f"`layout` must name {num_points} points, as many as there are, got {len(layout.names)}"
        )
    paired = [point for pair in layout.flip_pairs for point in pair]
    if len(set(paired)) < len(paired):
        raise ValueError(f"`layout.flip_pairs` must name a point once, got {layout.flip_pairs}")
    if not all(layout.eyes) or set(layout.eyes[0]) == set(layout.eyes[1]):
        raise ValueError(f"`layout.eyes` must be two different groups, got {layout.eyes}")
    for point in [*paired, *layout.eyes[0], *layout.eyes[1]]:
        if not 0 <= point < num_points:
            raise ValueError(f"`layout` must name points 0 to {num_points - 1}, got {point}")
    return layout


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (pair.split("-") for pair in text.split())
    return tuple((int(left), int(right)) for left, right in pairs)


FACE_5 = LandmarkLayout(
    ("left eye", "right eye", "nose", "left mouth", "right mouth"),
    ((0, 1), (3, 4)),
    ((0,), (1,)),
)
"""CelebA, MAFL: as seen in the picture, not by the person; errors over the eyes' distance."""

_PARTS = (
    *(("jaw", 17), ("right brow", 5), ("left brow", 5), ("nose", 9)),
    *(("right eye", 6), ("left eye", 6), ("mouth", 20)),
)
FACE_68 = LandmarkLayout(
    tuple(f"{part} {number + 1}" for part, count in _PARTS for number in range(count)),
    (
        *((left, 16 - left) for left in range(8)),
        *((left, 43 - left) for left in range(17, 22)),
        *_pairs("31-35 32-34 36-45 37-44 38-43 39-42 40-47 41-46"),
        *_pairs("48-54 49-53 50-52 59-55 58-56 60-64 61-63 67-65"),
    ),
    ((36,), (45,)),
)
"""The 68 points of Multi-PIE and 300-W, left and right of the person; errors over the distance
between the outer corners of the eyes, as 300-W measures them."""

SCENE_5 = LandmarkLayout(KEYPOINTS, FLIP_PAIRS, ((3,), (4,)))
"""Keypoints of the main object of `Scenes`; errors over its width."""
