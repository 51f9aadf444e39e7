"""The picture of one of `Scenes`: background, objects from far to near, light, noise.

H image height and width in pixels, h, w the window of one object.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .layout import Layout, Surface
from .masks import SHADOW, Part, Plane, affine
from .textures import texture


def paint(
    layout: Layout, parts: list[Part], noise: NDArray[np.int8], image_size: int
) -> NDArray[np.uint8]:
    """The picture.

    Args:
        layout: of the scene.
        parts: what shows of it, from `uncover`.
        noise: (3, H, H), any value equally likely.
        image_size: H.

    Returns:
        (3, H, H) uint8, red, green and blue.
    """
    canvas = _background(layout.background, image_size)  # (3, H, H)
    for part in reversed(parts):
        _draw(canvas, part)
    axis = _axis(image_size)
    level, slope_x, slope_y = np.array(layout.light, dtype=np.float32)[..., None]  # each (3, 1)
    canvas *= (level + slope_x * axis)[:, None] + (slope_y * axis)[:, :, None]
    canvas += noise * np.float32(layout.noise / 128)
    return canvas.clip(0, 255, out=canvas).astype(np.uint8)


def _background(surface: Surface, image_size: int) -> Plane:
    axis = _axis(image_size)
    px, py, qx, qy = surface.turn
    p = (axis * px + surface.phase[0]) + (axis * py)[:, None]
    q = (axis * qx + surface.phase[1]) + (axis * qy)[:, None]
    return _color(surface, p, q)


def _draw(canvas: Plane, part: Part) -> None:
    """Draws an object over the canvas: a soft shadow around it, a rim darker than its middle."""
    thing, rows, columns, distance, _ = part
    per_width = 1 / (SHADOW * thing.size)
    clear = (distance + 0.5).clip(0, 1)  # half of a pixel on the outline
    shadow = np.minimum(distance * (0.4 * per_width) + 0.6, 1)  # right outside; not seen inside
    bright = np.minimum(0.62 - distance * (0.38 * per_width), 1)  # right inside; not seen outside
    surface = thing.surface
    ux, uy, vx, vy = thing.turn
    pu, pv, qu, qv = surface.turn
    p_slope, q_slope = (
        (pu * ux + pv * vx, pu * uy + pv * vy),
        (qu * ux + qv * vx, qu * uy + qv * vy),
    )
    p = affine(p_slope, surface.phase[0], thing, rows, columns)
    q = affine(q_slope, surface.phase[1], thing, rows, columns)
    color = _color(surface, p, q)  # (3, h, w)
    color *= bright * (1 - clear)
    under = canvas[:, rows, columns]
    under *= clear * shadow
    under += color


def _color(surface: Surface, p: Plane, q: Plane) -> Plane:
    """The colours (3, ...) of a surface at the points (p, q) of its pattern."""
    dark, light = np.array((surface.dark, surface.light), dtype=np.float32)[:, :, None, None]
    color: Plane = texture(surface.pattern, p, q) * (light - dark)
    color += dark
    return color


@lru_cache(maxsize=8)
def _axis(image_size: int) -> Plane:
    """The centres of the pixels of a row, from -0.5 to 0.5."""
    return ((np.arange(image_size) + 0.5) / image_size - 0.5).astype(np.float32)
