"""The categories of `Scenes`: outlines, their distance tables and their keypoints.

Every shape is its own mirror image, as most things seen from the front are, so that a horizontal
flip of a scene is again a scene, with the keypoints "left" and "right" exchanged. Local coordinates
(u, v): v points down, the origin is the centroid, the area is 1. E edges of an outline.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

KEYPOINTS = ("centre", "top", "bottom", "left", "right")
FLIP_PAIRS = ((3, 4),)  # keypoints that change places when an image is flipped horizontally
REACH = 1.25  # a table covers |u| <= REACH and |v| <= REACH
ROWS = 384  # of a table; 192 columns, since only |u| is looked up

Doubles = NDArray[np.floating]
Points = tuple[tuple[float, float], ...]

# name -> (rounds of corner cutting, right halves of the outlines, from the axis above to the axis
# below). A second outline is a hole. The first ten are the default; the others are novel to a model
# of the first.
# fmt: off
_HALVES: dict[str, tuple[int, tuple[Points, ...]]] = {
    "star": (0, (((0, -1), (0.22, -0.31), (0.95, -0.31), (0.36, 0.12), (0.59, 0.81), (0, 0.38)),)),
    "heart": (3, (((0, -0.4), (0.15, -0.9), (0.8, -1), (1.1, -0.4), (0.7, 0.2), (0, 0.9)),)),
    "cross": (0, (
        ((0, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3), (0.3, 1), (0, 1)),
    )),
    "ring": (3, (
        ((0, -1), (0.41, -1), (1, -0.41), (1, 0.41), (0.41, 1), (0, 1)),
        ((0, -0.5), (0.2, -0.5), (0.5, -0.2), (0.5, 0.2), (0.2, 0.5), (0, 0.5)),
    )),
    "arrow": (0, (((0, -1), (0.85, -0.1), (0.3, -0.1), (0.3, 1), (0, 1)),)),
    "mushroom": (2, (
        ((0, -0.8), (0.6, -0.8), (1.05, -0.3), (1, 0.1), (0.25, 0.1), (0.25, 0.5), (0.4, 0.9),
         (0, 0.9)),
    )),
    "house": (0, (
        ((0, -1), (1, -0.15), (0.75, -0.15), (0.75, 0.85), (0.25, 0.85), (0.25, 0.25), (0, 0.25)),
    )),
    "moon": (2, (
        ((0, 0.25), (0.4, 0.2), (0.7, -0.15), (0.8, -0.9), (1.1, -0.1), (0.8, 0.65),
         (0.35, 0.95), (0, 0.95)),
    )),
    "butterfly": (2, (
        ((0, -0.35), (0.3, -1), (1.2, -1), (0.95, -0.1), (0.35, 0), (0.85, 0.3), (0.75, 1),
         (0.2, 0.6), (0, 0.55)),
    )),
    "bottle": (2, (
        ((0, -1), (0.25, -1), (0.25, -0.4), (0.65, -0.1), (0.65, 1), (0.6, 1), (0, 1)),
    )),
    "tree": (0, (
        ((0, -1), (0.5, -0.4), (0.3, -0.4), (0.75, 0.15), (0.4, 0.15), (0.95, 0.7), (0.18, 0.7),
         (0.18, 1), (0, 1)),
    )),
    "goblet": (2, (
        ((0, -0.75), (0.75, -1), (0.75, -0.1), (0.1, 0.15), (0.1, 0.7), (0.6, 1), (0.5, 1), (0, 1)),
    )),
    "drop": (3, (((0, -1.1), (0.2, -0.5), (0.75, 0.05), (0.75, 0.75), (0.3, 0.95), (0, 0.95)),)),
    "bell": (2, (
        ((0, -0.95), (0.4, -0.95), (0.6, -0.4), (0.6, 0.2), (1.05, 0.7), (0.25, 0.65), (0.25, 1),
         (0, 1)),
    )),
    "hourglass": (0, (
        ((0, -1), (0.75, -1), (0.75, -0.75), (0.12, 0), (0.75, 0.75), (0.75, 1), (0, 1)),
    )),
    "rocket": (1, (
        ((0, -1.2), (0.4, -0.6), (0.4, 0.2), (0.95, 0.95), (0.35, 0.65), (0.2, 0.65), (0, 1)),
    )),
    "umbrella": (1, (
        ((0, -0.9), (0.6, -0.8), (1.1, 0.05), (0.75, -0.15), (0.4, 0.05), (0.1, -0.15), (0.1, 1),
         (0, 1)),
    )),
    "crown": (0, (((0, -0.8), (0.3, -0.05), (0.95, -0.75), (0.8, 0.7), (0, 0.7)),)),
    "shirt": (0, (
        ((0, -0.6), (0.25, -0.8), (0.55, -0.8), (1.1, -0.2), (0.8, 0.1), (0.55, -0.15),
         (0.55, 0.9), (0, 0.9)),
    )),
    "gem": (0, (((0, -0.7), (0.6, -0.7), (1, -0.25), (0, 0.95)),)),
}
# fmt: on

CATEGORIES = tuple(_HALVES)


@cache
def distance_table(category: int) -> NDArray[np.float32]:
    """Signed distance to the outline of a category, negative inside; rows over v, columns over |u|.

    Args:
        category: Position in `CATEGORIES`.

    Returns:
        `(ROWS * ROWS // 2,)` float32 in local coordinates, row after row.

    >>> table = distance_table(CATEGORIES.index("star")).reshape(ROWS, ROWS // 2)
    >>> inside = (table < 0).sum() * 2 * (2 * REACH / ROWS) ** 2
    >>> bool(abs(inside - 1) < 0.01)  # the area of every shape is 1
    True
    """
    loops = _outlines(category)
    coarse = ROWS // 3  # distances are smooth: computed on a third of the rows, then interpolated
    v_coarse = (np.arange(coarse) + 0.5) * (2 * REACH / coarse) - REACH  # (G/3,)
    u_coarse = (np.arange(coarse // 2 + 1) - 0.5) * (2 * REACH / coarse)  # one column left of 0
    table = _signed_distance(loops, u_coarse[None, :], v_coarse[:, None])
    v = (np.arange(ROWS) + 0.5) * (2 * REACH / ROWS) - REACH
    u = (np.arange(ROWS // 2) + 0.5) * (2 * REACH / ROWS)
    table = np.stack([np.interp(u, u_coarse, row) for row in table])
    table = np.stack([np.interp(v, v_coarse, column) for column in table.T], axis=1)
    return np.ascontiguousarray(table, dtype=np.float32).ravel()


@cache
def keypoints(category: int) -> tuple[tuple[float, float], ...]:
    """`KEYPOINTS` of a category in local coordinates: centroid, ends of the axis, widest points."""
    outline = _outlines(category)[0]
    half = outline[: len(outline) // 2 + 1]
    right_u, right_v = half[np.argmax(half[:, 0])]
    top, bottom = half[0, 1], half[-1, 1]
    points = ((0, 0), (0, top), (0, bottom), (-right_u, right_v), (right_u, right_v))
    return tuple((float(u), float(v)) for u, v in points)


@cache
def extent(category: int) -> float:
    """The distance from the centroid to the farthest point of the outline."""
    return float(np.sqrt((_outlines(category)[0] ** 2).sum(axis=1).max()))


@cache
def _outlines(category: int) -> list[Doubles]:
    """Closed outlines (E, 2), scaled to area 1 about the centroid, the right half first."""
    rounds, halves = _HALVES[CATEGORIES[category]]
    loops = []
    for points in halves:
        half: Doubles = np.array(points, dtype=np.float64)
        for _ in range(rounds):
            half = _cut_corners(half)
        loops.append(np.concatenate([half, half[-2:0:-1] * (-1, 1)]))
    area, moment = 0.0, 0.0
    for sign, loop in zip((1, -1), loops, strict=False):  # the second is a hole
        (u, v), (next_u, next_v) = loop.T, np.roll(loop, -1, axis=0).T
        cross = u * next_v - next_u * v
        area += sign * cross.sum() / 2
        moment += sign * ((v + next_v) * cross).sum() / 6
    return [(loop - (0, moment / area)) / np.sqrt(abs(area)) for loop in loops]


def _cut_corners(path: Doubles) -> Doubles:
    """One round of Chaikin's corner cutting of an open path; its two ends stay."""
    before, after = path[:-1], path[1:]
    pairs = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1)
    return np.concatenate([path[:1], pairs.reshape(-1, 2)[1:-1], path[-1:]])


def _signed_distance(loops: list[Doubles], u: Doubles, v: Doubles) -> Doubles:
    """Distance to the nearest edge, negative where a ray crosses an odd number of edges."""
    shape = np.broadcast_shapes(u.shape, v.shape)
    nearest: Doubles = np.full(shape, np.inf)
    inside = np.zeros(shape, dtype=bool)
    for loop in loops:
        for (u0, v0), (u1, v1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            du, dv = u1 - u0, v1 - v0
            along = np.clip(((u - u0) * du + (v - v0) * dv) / (du * du + dv * dv), 0, 1)
            nearest = np.minimum(nearest, (u - u0 - along * du) ** 2 + (v - v0 - along * dv) ** 2)
            if dv != 0:
                inside ^= ((v0 > v) != (v1 > v)) & (u < u0 + (v - v0) * (du / dv))
    return np.where(inside, -1.0, 1.0) * np.sqrt(nearest)
