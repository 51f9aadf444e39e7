"""From random numbers to the objects, places and colours of a scene."""

from typing import NamedTuple

from .textures import PATTERNS

SCENE_DRAWS = 25  # numbers in [0, 1) that a scene takes, and each object of it
OBJECT_DRAWS = 20
LINK = 0.8  # how often an object wears the pattern of its category, not one drawn from all

Color = tuple[float, float, float]  # red, green, blue in 0-255
Matrix = tuple[float, float, float, float]  # row by row


class Surface(NamedTuple):
    """A pattern in two colours; `turn` and `phase` take points of a plane to points of it."""

    pattern: int
    dark: Color
    light: Color
    turn: Matrix
    phase: tuple[float, float]


class Thing(NamedTuple):
    """An object; `turn` takes offsets from (x, y) to the local coordinates of `scenes.shapes`."""

    category: int  # position in CATEGORIES
    x: float
    y: float
    size: float  # the root of its area, in pixels
    turn: Matrix
    surface: Surface


class Layout(NamedTuple):
    """All that a scene shows, before it is drawn."""

    things: list[Thing]  # the nearest first
    main: int  # position of the main object among them
    background: Surface  # its plane: the image, from -0.5 to 0.5
    light: tuple[Color, Color, Color]  # in the middle of the image, and its slopes over x and y
    noise: float  # largest change of a grey level


def lay_out(draws: list[float], label: int, others: list[int], image_size: int) -> Layout:
    """The main object and up to `(len(draws) - SCENE_DRAWS) // OBJECT_DRAWS - 1` smaller ones.

    Args:
        draws: numbers in [0, 1).
        label: category of the main object.
        others: categories of the smaller ones to choose from.
        image_size: in pixels.
    """
    most = (len(draws) - SCENE_DRAWS) // OBJECT_DRAWS - 1
    count, size = int(draws[0] * (most + 1)), (0.50 + 0.12 * draws[1]) * image_size
    x, y = (0.44 + 0.12 * draws[2]) * image_size, (0.44 + 0.12 * draws[3]) * image_size
    main = _thing(draws[SCENE_DRAWS:], label, x, y, size)
    front: list[Thing] = []
    back: list[Thing] = []
    for number in range(1, count + 1):
        chances = draws[SCENE_DRAWS + number * OBJECT_DRAWS :]
        nearer, which = chances[15] < 0.35, int(chances[16] * len(others))
        smaller = 0.22 + 0.14 * chances[17]
        x, y = (0.05 + 0.9 * chances[18]) * image_size, (0.05 + 0.9 * chances[19]) * image_size
        (front if nearer else back).append(_thing(chances, others[which], x, y, smaller * size))
    return Layout(
        things=[*front, main, *back],
        main=len(front),
        background=_background(draws[4:15]),
        light=_light(draws[15:24]),
        noise=4 + 8 * draws[24],
    )


def _thing(draws: list[float], category: int, x: float, y: float, size: float) -> Thing:
    cos, sin = _rotation(0.16 * (2 * draws[0] - 1))  # within 18 degrees
    stretch = 0.88 + 0.25 * draws[1]  # of the width, at constant area
    per_width, per_height = 1 / (size * stretch), stretch / size
    turn = (cos * per_width, sin * per_width, -sin * per_height, cos * per_height)
    linked = draws[2] < LINK
    pattern = category % len(PATTERNS) if linked else int(draws[3] * len(PATTERNS))
    # Colours far apart on the circle: their mean is nearly grey, whatever the hue.
    hue, value = draws[4], 0.85 + 0.15 * draws[5]
    strong = _color(hue, 0.35 + 0.2 * draws[6], value)
    weak = _color(hue + 0.4 + 0.2 * draws[7], 0.7 + 0.2 * draws[8], value * (0.4 + 0.15 * draws[9]))
    dark, light = (strong, weak) if draws[10] < 0.5 else (weak, strong)
    frequency = 2.3 + 0.6 * draws[11]
    cos, sin = _rotation(0.12 * (2 * draws[12] - 1))
    pattern_turn = (frequency * cos, frequency * sin, -frequency * sin, frequency * cos)
    surface = Surface(pattern, dark, light, pattern_turn, (draws[13], draws[14]))
    return Thing(category, x, y, size, turn, surface)


def _background(draws: list[float]) -> Surface:
    hue, value, contrast = draws[0], 0.5 + 0.2 * draws[1], 0.03 + 0.09 * draws[3]
    dark = _color(hue, 0.03 + 0.17 * draws[2], value)
    light_value = value + contrast * (1 - value)
    light = _color(hue, 0.03 + 0.17 * draws[5], light_value)
    frequency = 3 + 4 * draws[6]
    cos, sin = _rotation(2 * draws[7] - 1)  # within 90 degrees
    turn = (frequency * cos, frequency * sin, -frequency * sin, frequency * cos)
    return Surface(int(draws[8] * len(PATTERNS)), dark, light, turn, (8 * draws[9], 8 * draws[10]))


def _light(draws: list[float]) -> tuple[Color, Color, Color]:
    """A coloured light that changes across the image, so that colours do not tell images apart."""
    level, slope_x, slope_y = (
        (start + span * draws[k], start + span * draws[k + 1], start + span * draws[k + 2])
        for k, start, span in ((0, 0.9, 0.2), (3, -0.6, 1.2), (6, -0.6, 1.2))
    )
    return level, slope_x, slope_y


def _rotation(half_tangent: float) -> tuple[float, float]:
    """Cosine and sine of 2 atan(half_tangent), from operations that are exact on every machine."""
    square = half_tangent * half_tangent
    return (1 - square) / (1 + square), 2 * half_tangent / (1 + square)


def _color(hue: float, saturation: float, value: float) -> Color:
    """From hue (of period 1), saturation and value in [0, 1]."""
    sixth = hue * 6
    red = min(max(abs(sixth % 6 - 3) - 1, 0), 1)
    green = min(max(abs((sixth + 4) % 6 - 3) - 1, 0), 1)
    blue = min(max(abs((sixth + 2) % 6 - 3) - 1, 0), 1)
    most = 255 * value
    least = most * (1 - saturation)
    span = most - least
    return least + span * red, least + span * green, least + span * blue
