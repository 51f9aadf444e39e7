"""What is true of one of `Scenes`: the numbers that it was drawn from, without drawing it.

They stand from low to high level: colours and light, then the object's surface and outline, then
where it is, what it is and what is around it.

Legend: M objects that show, the nearest first.
"""

from __future__ import annotations

import colorsys
import math

import numpy as np

from .layout import Color, Layout, Surface, Thing
from .masks import Part
from .textures import texture

Factor = int | float | tuple[float, ...]  # an int is a class
Light = tuple[Color, Color, Color]  # as `Layout` has it


def scene_factors(
    layout: Layout, parts: list[Part], main: int, first_category: int, image_size: int
) -> dict[str, Factor]:
    """The factors of a scene and of its main object; `Scenes.factors` says what they mean.

    Args:
        layout: of the scene.
        parts: what shows of it, from `uncover`.
        main: position of the main object among them.
        first_category: see `Scenes`.
        image_size: in pixels.
    """
    background, (level, slope_x, slope_y) = layout.background, layout.light
    hue, saturation, brightness = _shades(background)
    of_main = object_factors(parts[main], layout.light, first_category, image_size)
    across, down, _, _ = background.turn
    turn = math.atan2(down, across)
    return {
        "light": level,
        "light slope": (sum(slope_x) / 3, sum(slope_y) / 3),
        "noise": layout.noise,
        "background hue": hue,
        "background saturation": saturation,
        "background brightness": brightness,
        "background colour": _colour(background, layout.light, 0.5, 0.5),
        "background texture": background.pattern,
        "background frequency": math.hypot(across, down),
        # A pattern that is turned by half a circle is mostly the same.
        "background orientation": (math.cos(2 * turn), math.sin(2 * turn)),
        **{name if name in _PLAIN else f"object {name}": of_main[name] for name in of_main},
        "number of objects": float(len(parts)),
    }


def object_factors(
    part: Part, light: Light, first_category: int, image_size: int
) -> dict[str, Factor]:
    """The factors of an object; `Scenes.factors` says what they mean."""
    thing, surface = part.thing, part.thing.surface
    hue, saturation, brightness = _shades(surface)
    size, orientation, aspect = _outline(thing)
    x, y = thing.x / image_size, thing.y / image_size
    inside, shown = (part.distance <= 0).sum(), np.count_nonzero(part.visible)
    return {
        "hue": hue,
        "saturation": saturation,
        "brightness": brightness,
        "colour": _colour(surface, light, x, y),
        "texture": surface.pattern,
        "orientation": orientation,
        "aspect": aspect,
        "size": size / image_size,
        "position": (x, y),
        "category": thing.category - first_category,
        "occlusion": float(1 - shown / inside),
    }


_PLAIN = ("orientation", "aspect", "size", "position", "category", "occlusion")


def _outline(thing: Thing) -> tuple[float, float, float]:
    """Size in pixels, rotation in degrees, and the logarithm of width over height."""
    ux, uy, vx, vy = thing.turn
    per_width, per_height = math.hypot(ux, uy), math.hypot(vx, vy)
    return thing.size, math.degrees(math.atan2(uy, ux)), math.log(per_height / per_width)


def _shades(surface: Surface) -> tuple[tuple[float, float], float, float]:
    """Hue as cosine and sine, saturation and value of the brighter colour."""
    red, green, blue = max(surface.dark, surface.light, key=max)
    hue, saturation, brightness = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    turn = 2 * math.pi * hue
    return (math.cos(turn), math.sin(turn)), saturation, brightness


def _colour(surface: Surface, light: Light, x: float, y: float) -> tuple[float, ...]:
    """Mean of the pattern over a square of its plane, in the light at a place of the image."""
    px, py, qx, qy = surface.turn
    across, down = _SQUARE
    p = (across * px + down * py + surface.phase[0]).astype(np.float32)
    q = (across * qx + down * qy + surface.phase[1]).astype(np.float32)
    share = float(texture(surface.pattern, p, q).mean())
    return tuple(
        (dark + share * (bright - dark)) / 255 * (level + slope_x * (x - 0.5) + slope_y * (y - 0.5))
        for dark, bright, level, slope_x, slope_y in zip(
            surface.dark, surface.light, *light, strict=True
        )
    )


_AXIS = (np.arange(16) + 0.5) / 16 - 0.5
_SQUARE = _AXIS[None], _AXIS[:, None]
