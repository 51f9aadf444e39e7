"""Which pixels of one of `Scenes` show which object: masks, boxes, visible keypoints.

H image height and width in pixels, h, w the window of one object, n objects, P keypoints.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .layout import Layout, Thing
from .shapes import KEYPOINTS, REACH, ROWS, distance_table, extent, keypoints

LARGEST = 512  # image size
LEAST_VISIBLE = 0.3  # of its area: a smaller object that shows less is left out
LEAST_PIXELS = 12
SHADOW = 0.12  # its width, in local coordinates

Plane = NDArray[np.float32]


class Part(NamedTuple):
    """The window of an object; for each pixel, the distance to the outline and whether it shows."""

    thing: Thing
    rows: slice
    columns: slice
    distance: Plane  # (h, w) in pixels, negative inside
    visible: NDArray[np.bool_]  # (h, w)


def uncover(layout: Layout, image_size: int) -> tuple[list[Part], int]:
    """What shows of each object; those that hardly show are left out, never the main one.

    Returns:
        The parts, the nearest first, and the position of the main object among them.
    """
    free = np.ones((image_size, image_size), dtype=bool)
    parts: list[Part] = []
    main = 0
    for index, thing in enumerate(layout.things):
        rows, columns = _window(thing, image_size)
        distance = _distance(thing, rows, columns)
        outside, still_free = distance > 0, free[rows, columns]
        visible = still_free > outside  # free and not outside
        if index == layout.main:
            main = len(parts)
        elif np.count_nonzero(visible) < max(LEAST_PIXELS, LEAST_VISIBLE * thing.size**2):
            continue
        still_free &= outside
        parts.append(Part(thing, rows, columns, distance, visible))
    return parts, main


def annotate(parts: list[Part], image_size: int) -> tuple[NDArray[np.bool_], Plane, Plane]:
    """Visible masks (n, H, H), boxes (n, 4) around them and keypoints (n, P, 3)."""
    masks = np.zeros((len(parts), image_size, image_size), dtype=bool)
    boxes = np.zeros((len(parts), 4), dtype=np.float32)
    points = np.zeros((len(parts), len(KEYPOINTS), 3), dtype=np.float32)
    covered = np.zeros((image_size, image_size), dtype=bool)  # by what is nearer
    for index, part in enumerate(parts):
        masks[index, part.rows, part.columns] = part.visible
        columns, rows = np.flatnonzero(part.visible.any(0)), np.flatnonzero(part.visible.any(1))
        left, top = part.columns.start, part.rows.start
        boxes[index] = (
            left + columns[0],
            top + rows[0],
            left + columns[-1] + 1,
            top + rows[-1] + 1,
        )
        for point, (u, v) in enumerate(keypoints(part.thing.category)):
            x, y = _to_pixels(part.thing, u, v)
            inside = 0 <= x < image_size and 0 <= y < image_size
            points[index, point] = x, y, inside and not covered[int(y), int(x)]
        covered |= masks[index]
    return masks, boxes, points


def affine(
    slope: tuple[float, float], offset: float, thing: Thing, rows: slice, columns: slice
) -> Plane:
    """A linear function of the offset from an object at the centres of the pixels of a window.

    Returns:
        `slope . (x - thing.x, y - thing.y) + offset`, (h, w).
    """
    pixels = _pixels()
    slope_x, slope_y = slope
    along_x = pixels[columns] * slope_x  # (w,)
    along_x += offset - slope_x * thing.x - slope_y * thing.y
    return along_x + (pixels[rows] * slope_y)[:, None]


def _window(thing: Thing, image_size: int) -> tuple[slice, slice]:
    """The rows and columns that an object and its shadow can reach; 1.14 is the largest stretch."""
    reach = 1.14 * (extent(thing.category) + SHADOW) * thing.size
    left, right = max(int(thing.x - reach), 0), min(int(thing.x + reach) + 1, image_size)
    top, bottom = max(int(thing.y - reach), 0), min(int(thing.y + reach) + 1, image_size)
    return slice(top, bottom), slice(left, right)


def _distance(thing: Thing, rows: slice, columns: slice) -> Plane:
    """Signed distance to the outline of an object, in pixels, negative inside."""
    scale = ROWS / (2 * REACH)
    ux, uy, vx, vy = thing.turn
    u = affine((scale * ux, scale * uy), 0, thing, rows, columns)
    v = affine((scale * vx, scale * vy), ROWS / 2, thing, rows, columns)
    position = v.clip(0, ROWS - 1, out=v).astype(np.intp)
    position *= ROWS // 2
    position += np.minimum(np.abs(u, out=u), ROWS // 2 - 1, out=u).astype(np.intp)
    distance: Plane = distance_table(thing.category).take(position)
    distance *= thing.size
    return distance


def _to_pixels(thing: Thing, u: float, v: float) -> tuple[float, float]:
    ux, uy, vx, vy = thing.turn
    determinant = ux * vy - uy * vx
    x = thing.x + (vy * u - uy * v) / determinant
    return x, thing.y + (ux * v - vx * u) / determinant


@lru_cache(maxsize=1)
def _pixels() -> Plane:
    """The centres of the pixels of the longest row."""
    return np.arange(LARGEST, dtype=np.float32) + np.float32(0.5)
