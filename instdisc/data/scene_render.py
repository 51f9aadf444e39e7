"""From random numbers to the pixels of one of `Scenes`: where things are, what hides what, and how they look.

H image height and width in pixels, h, w the window of one object, n objects, the nearest first.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .scene_shapes import REACH, ROWS, distance_table, extent, keypoints
from .scene_textures import PATTERNS, texture

SCENE_DRAWS = 24  # numbers in [0, 1) that a scene takes, and each object of it
OBJECT_DRAWS = 20
LINK = 0.6  # how often an object wears the pattern of its category, not one drawn from all
LEAST_VISIBLE = 0.3  # of its area: a smaller object that shows less is not drawn at all
LEAST_PIXELS = 12
LARGEST = 512  # image size
SHADOW = 0.12  # its width, in local coordinates

Plane = NDArray[np.float32]
Color = tuple[float, float, float]


class Surface(NamedTuple):
    """A pattern in two colours (0-255); `turn` takes its plane's coordinates to those of the pattern."""

    pattern: int
    dark: Color
    light: Color
    turn: tuple[float, float, float, float]
    phase: tuple[float, float]


class Thing(NamedTuple):
    """An object: `turn` takes offsets from (x, y) in pixels to local coordinates, `size` is the root of its area."""

    category: int
    x: float
    y: float
    size: float
    turn: tuple[float, float, float, float]
    surface: Surface


class Part(NamedTuple):
    """The window of an object; for each pixel of it, the distance to the outline and whether it shows."""

    thing: Thing
    rows: slice
    columns: slice
    distance: Plane  # (h, w) in pixels, negative inside
    visible: NDArray[np.bool_]  # (h, w)


def place(
    draws: list[float], label: int, others: list[int], image_size: int
) -> tuple[list[Thing], int]:
    """The main object of category `label` and up to `(len(draws) - SCENE_DRAWS) // OBJECT_DRAWS - 1` smaller ones.

    Args:
        draws: Numbers in [0, 1).
        label: Category of the main object.
        others: Categories of the smaller ones to choose from.
        image_size: H.

    Returns:
        The objects, the nearest first, and the position of the main one.
    """
    most = (len(draws) - SCENE_DRAWS) // OBJECT_DRAWS - 1
    count = int(draws[0] * (most + 1))
    size = (0.42 + 0.20 * draws[1]) * image_size
    own = draws[SCENE_DRAWS:]
    center = (0.5 + 0.26 * (draws[2] - 0.5)) * image_size, (0.5 + 0.26 * (draws[3] - 0.5)) * image_size
    main = _thing(own[:OBJECT_DRAWS], label, center, size)
    front, back = [], []
    for start in range(OBJECT_DRAWS, (count + 1) * OBJECT_DRAWS, OBJECT_DRAWS):
        own_draws = own[start : start + OBJECT_DRAWS]
        to_front, x, y, relative, which = own_draws[-5:]
        center = (0.05 + 0.9 * x) * image_size, (0.05 + 0.9 * y) * image_size
        thing = _thing(
            own_draws, others[int(which * len(others))], center, (0.3 + 0.15 * relative) * size
        )
        (front if to_front < 0.35 else back).append(thing)
    return [*front, main, *back], len(front)


def uncover(things: list[Thing], main: int, image_size: int) -> tuple[list[Part], int]:
    """What shows of each object; those that hardly show are left out (never the main one).

    Args:
        things: The nearest first.
        main: Position of the main object among them.
        image_size: H.

    Returns:
        The parts, the nearest first, and the position of the main object among them.
    """
    free = np.ones((image_size, image_size), dtype=bool)
    parts: list[Part] = []
    position = 0
    for index, thing in enumerate(things):
        rows, columns = _window(thing, image_size)
        distance = _distance(thing, rows, columns)
        outside, still_free = distance > 0, free[rows, columns]
        visible = still_free > outside  # free and not outside
        if index == main:
            position = len(parts)
        elif np.count_nonzero(visible) < max(LEAST_PIXELS, LEAST_VISIBLE * thing.size**2):
            continue
        still_free &= outside
        parts.append(Part(thing, rows, columns, distance, visible))
    return parts, position


def paint(
    draws: list[float], parts: list[Part], noise: NDArray[np.int8], image_size: int
) -> NDArray[np.uint8]:
    """The picture: background, objects from the farthest to the nearest, light, noise.

    Args:
        draws: The numbers that `place` got.
        parts: What `uncover` returned.
        noise: (3, H, H) random, -128 to 127.
        image_size: H.

    Returns:
        (3, H, H) uint8.
    """
    canvas = _paint_background(_background(draws), image_size)  # (3, H, H)
    for part in reversed(parts):
        _paint_part(canvas, part)
    axis = _axis(image_size)
    slope_x, slope_y, level = draws[4] - 0.5, draws[5] - 0.5, 0.9 + 0.25 * draws[6]
    canvas *= (level + 0.7 * slope_x * axis) + (0.7 * slope_y * axis)[:, None]  # one light over all
    canvas += noise * np.float32((6 + 18 * draws[7]) / 128)
    return canvas.clip(0, 255, out=canvas).astype(np.uint8)


def annotate(parts: list[Part], image_size: int) -> tuple[NDArray[np.bool_], Plane, Plane]:
    """Visible masks (n, H, H), boxes (n, 4) around them and keypoints (n, 5, 3) of the parts."""
    masks = np.zeros((len(parts), image_size, image_size), dtype=bool)
    boxes = np.zeros((len(parts), 4), dtype=np.float32)
    points = np.zeros((len(parts), 5, 3), dtype=np.float32)
    covered = np.zeros((image_size, image_size), dtype=bool)  # by what is nearer
    for index, part in enumerate(parts):
        masks[index, part.rows, part.columns] = part.visible
        columns, rows = np.flatnonzero(masks[index].any(0)), np.flatnonzero(masks[index].any(1))
        boxes[index] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        for point, (u, v) in enumerate(keypoints(part.thing.category)):
            x, y = _to_pixels(part.thing, u, v)
            inside = 0 <= x < image_size and 0 <= y < image_size
            points[index, point] = x, y, inside and not covered[int(y), int(x)]
        covered |= masks[index]
    return masks, boxes, points


def _thing(
    draws: list[float], category: int, center: tuple[float, float], size: float
) -> Thing:
    cos, sin = _rotation(0.27 * (2 * draws[0] - 1))  # within 30 degrees
    stretch = 0.88 + 0.25 * draws[1]  # of the width, at constant area
    a, b = 1 / (size * stretch), stretch / size
    pattern = category % len(PATTERNS) if draws[2] < LINK else int(draws[3] * len(PATTERNS))
    hue, value = draws[4], 0.65 + 0.35 * draws[5]
    light = _color(hue, 0.25 + 0.6 * draws[6], value)
    dark = _color(hue + 0.6 * (draws[7] - 0.5), 0.4 + 0.55 * draws[8], value * (0.3 + 0.3 * draws[9]))
    if draws[10] < 0.5:
        light, dark = dark, light
    frequency = 3.2 + 2.0 * draws[11]
    turn_cos, turn_sin = _rotation(0.12 * (2 * draws[12] - 1))
    turn = tuple(frequency * part for part in (turn_cos, turn_sin, -turn_sin, turn_cos))
    surface = Surface(pattern, dark, light, turn, (draws[13], draws[14]))
    return Thing(category, *center, size, (cos * a, sin * a, -sin * b, cos * b), surface)


def _background(draws: list[float]) -> Surface:
    hue, value = draws[8], 0.35 + 0.5 * draws[9]
    dark = _color(hue, 0.15 + 0.4 * draws[10], value)
    contrast = 0.12 + 0.3 * draws[11]
    light = _color(hue + 0.3 * (draws[12] - 0.5), 0.1 + 0.4 * draws[13], value + contrast * (1 - value))
    frequency = 4 + 5 * draws[14]
    cos, sin = _rotation(2 * draws[15] - 1)  # any angle within 90 degrees
    turn = (frequency * cos, frequency * sin, -frequency * sin, frequency * cos)
    pattern = int(draws[16] * len(PATTERNS))
    return Surface(pattern, dark, light, turn, (8 * draws[17], 8 * draws[18]))


def _window(thing: Thing, image_size: int) -> tuple[slice, slice]:
    """The rows and columns that an object and its shadow can reach."""
    reach = 1.14 * (extent(thing.category) + SHADOW) * thing.size
    left, right = max(int(thing.x - reach), 0), min(int(thing.x + reach) + 1, image_size)
    top, bottom = max(int(thing.y - reach), 0), min(int(thing.y + reach) + 1, image_size)
    return slice(top, bottom), slice(left, right)


def _distance(thing: Thing, rows: slice, columns: slice) -> Plane:
    """Signed distance to the outline of an object, in pixels, negative inside."""
    scale = ROWS / (2 * REACH)
    ux, uy, vx, vy = thing.turn
    u = _affine((scale * ux, scale * uy), 0, thing, rows, columns)
    v = _affine((scale * vx, scale * vy), ROWS / 2, thing, rows, columns)
    row = v.clip(0, ROWS - 1, out=v).astype(np.intp)
    row *= ROWS // 2
    row += np.minimum(np.abs(u, out=u), ROWS // 2 - 1, out=u).astype(np.intp)
    distance = distance_table(thing.category).take(row)
    distance *= thing.size
    return distance


def _affine(
    slope: tuple[float, float], offset: float, thing: Thing, rows: slice, columns: slice
) -> Plane:
    """slope . (x - thing.x, y - thing.y) + offset at the centres (x, y) of the pixels of a window, (h, w)."""
    pixels = _pixels()
    slope_x, slope_y = slope
    along_x = pixels[columns] * slope_x  # (w,)
    along_x += offset - slope_x * thing.x - slope_y * thing.y
    return along_x + (pixels[rows] * slope_y)[:, None]


def _to_pixels(thing: Thing, u: float, v: float) -> tuple[float, float]:
    ux, uy, vx, vy = thing.turn
    determinant = ux * vy - uy * vx
    return (
        thing.x + (vy * u - uy * v) / determinant,
        thing.y + (ux * v - vx * u) / determinant,
    )


def _paint_part(canvas: Plane, part: Part) -> None:
    """Draws an object over the canvas: a soft shadow around it, a rim darker than its middle."""
    thing, rows, columns, distance, _ = part
    per_width = 1 / (SHADOW * thing.size)
    clear = (distance + 0.5).clip(0, 1)  # half of a pixel on the outline
    shadow = np.minimum(distance * (0.4 * per_width) + 0.6, 1)  # right outside; not seen inside
    bright = np.minimum(0.62 - distance * (0.38 * per_width), 1)  # right inside; not seen outside
    surface = thing.surface
    ux, uy, vx, vy = thing.turn
    pu, pv, qu, qv = surface.turn
    p_slope, q_slope = (pu * ux + pv * vx, pu * uy + pv * vy), (qu * ux + qv * vx, qu * uy + qv * vy)
    p = _affine(p_slope, surface.phase[0], thing, rows, columns)
    q = _affine(q_slope, surface.phase[1], thing, rows, columns)
    color = _color_plane(surface, p, q)  # (3, h, w)
    color *= bright * (1 - clear)
    under = canvas[:, rows, columns]
    under *= clear * shadow
    under += color


def _paint_background(surface: Surface, image_size: int) -> Plane:
    """The canvas (3, H, H) without objects."""
    axis = _axis(image_size)
    px, py, qx, qy = surface.turn
    p = (axis * px + surface.phase[0]) + (axis * py)[:, None]
    q = (axis * qx + surface.phase[1]) + (axis * qy)[:, None]
    return _color_plane(surface, p, q)


def _color_plane(surface: Surface, p: Plane, q: Plane) -> Plane:
    """The colours (3, ...) of a surface at the points (p, q) of its pattern."""
    dark, light = np.array((surface.dark, surface.light), dtype=np.float32)[:, :, None, None]
    color = texture(surface.pattern, p, q) * (light - dark)
    color += dark
    return color


@lru_cache(maxsize=8)
def _axis(image_size: int) -> Plane:
    """The centres of the pixels of a row, from -0.5 to 0.5."""
    return ((np.arange(image_size) + 0.5) / image_size - 0.5).astype(np.float32)


@lru_cache(maxsize=1)
def _pixels() -> Plane:
    """The centres of the pixels of the longest row."""
    return np.arange(LARGEST, dtype=np.float32) + np.float32(0.5)


def _rotation(half_tangent: float) -> tuple[float, float]:
    """Cosine and sine of 2 atan(half_tangent), without calls whose last bit differs between machines."""
    square = half_tangent * half_tangent
    return (1 - square) / (1 + square), 2 * half_tangent / (1 + square)


def _color(hue: float, saturation: float, value: float) -> Color:
    """Red, green and blue in 0-255 from hue (a period of 1), saturation and value in [0, 1]."""
    sixth = hue * 6
    red = min(max(abs(sixth % 6 - 3) - 1, 0), 1)
    green = min(max(abs((sixth + 4) % 6 - 3) - 1, 0), 1)
    blue = min(max(abs((sixth + 2) % 6 - 3) - 1, 0), 1)
    top = 255 * value
    least = top * (1 - saturation)
    return least + (top - least) * red, least + (top - least) * green, least + (top - least) * blue
