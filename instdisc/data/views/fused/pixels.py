"""What the kernels do to a block of pixels in registers: the operators of `operators`, in Triton.

A row of steps is an integer of two bits each, the first step lowest: 0 none, 1 jitter,
2 greyscale, 3 solarisation. `stages` makes these integers.

Legend: red, green and blue are ``(BLOCK,)`` float32 in [0, 1].
"""

from __future__ import annotations

from instdisc.gpu import jit, tl


@jit
def read(source: tl.tensor, plane_stride: tl.tensor, inside: tl.tensor) -> tl.tuple:
    """The three colours of pixels, from uint8 or float."""
    red = tl.load(source, mask=inside, other=0)
    green = tl.load(source + plane_stride, mask=inside, other=0)
    blue = tl.load(source + 2 * plane_stride, mask=inside, other=0)
    red, green, blue = red.to(tl.float32), green.to(tl.float32), blue.to(tl.float32)
    if source.dtype.element_ty == tl.uint8:
        # Rounded as torch does, for thresholds that are levels of 255.
        red = tl.div_rn(red, 255.0)
        green = tl.div_rn(green, 255.0)
        blue = tl.div_rn(blue, 255.0)
    return red, green, blue


@jit
def write(
    target: tl.tensor,
    plane_stride: tl.tensor,
    inside: tl.tensor,
    red: tl.tensor,
    green: tl.tensor,
    blue: tl.tensor,
) -> None:
    """Rounds to the target's type and writes."""
    dtype = target.dtype.element_ty
    tl.store(target, red.to(dtype), mask=inside)
    tl.store(target + plane_stride, green.to(dtype), mask=inside)
    tl.store(target + 2 * plane_stride, blue.to(dtype), mask=inside)


@jit
def normalise(red: tl.tensor, green: tl.tensor, blue: tl.tensor, constants: tl.tensor) -> tl.tuple:
    """With the means and deviations that `constants` begins with."""
    red = (red - tl.load(constants)) / tl.load(constants + 3)
    green = (green - tl.load(constants + 1)) / tl.load(constants + 4)
    blue = (blue - tl.load(constants + 2)) / tl.load(constants + 5)
    return red, green, blue


@jit
def run_steps(
    red: tl.tensor,
    green: tl.tensor,
    blue: tl.tensor,
    numbers: tl.tensor,
    orders: tl.tensor,
    constants: tl.tensor,
    mean: tl.tensor,
    STEPS: tl.constexpr,
    COLUMN: tl.constexpr,
    THRESHOLD: tl.constexpr,
) -> tl.tuple:
    """Steps whose numbers begin at `COLUMN` and thresholds at `THRESHOLD`.

    `mean` is the image's mean grey as it is when contrast comes.
    """
    numbers += COLUMN
    constants += THRESHOLD
    for step in tl.static_range(15):
        if (STEPS >> (2 * step)) & 3 == 1:
            red, green, blue = _jitter(red, green, blue, numbers, orders, mean)
            numbers += 5
        if (STEPS >> (2 * step)) & 3 == 2:
            happens = tl.load(numbers) > 0
            grey = _grey_of(red, green, blue)
            red = tl.where(happens, grey, red)
            green = tl.where(happens, grey, green)
            blue = tl.where(happens, grey, blue)
            numbers += 1
        if (STEPS >> (2 * step)) & 3 == 3:
            # No value reaches a threshold of 2: unless it happens, nothing is inverted.
            threshold = tl.where(tl.load(numbers) > 0, tl.load(constants), 2.0)
            red = tl.where(red >= threshold, 1 - red, red)
            green = tl.where(green >= threshold, 1 - green, green)
            blue = tl.where(blue >= threshold, 1 - blue, blue)
            numbers += 1
            constants += 1
    return red, green, blue


@jit
def grey_at_contrast(
    red: tl.tensor,
    green: tl.tensor,
    blue: tl.tensor,
    numbers: tl.tensor,
    orders: tl.tensor,
    constants: tl.tensor,
    BEFORE: tl.constexpr,
    COLUMN: tl.constexpr,
    THRESHOLD: tl.constexpr,
    JITTER_COLUMN: tl.constexpr,
) -> tl.tensor:
    """The luminance as it is when contrast comes: after other steps and a part of the jitter."""
    red, green, blue = run_steps(
        red, green, blue, numbers, orders, constants, 0.0, BEFORE, COLUMN, THRESHOLD
    )
    numbers += JITTER_COLUMN
    order = orders + _order_of(numbers) * 5
    contrast = tl.load(order + 4)  # its position
    for position in range(3):
        if position < contrast:
            operator = tl.load(order + position)
            factor = tl.load(numbers + operator)
            red, green, blue = _adjust(red, green, blue, operator, factor, 0.0)
    return _grey_of(red, green, blue)


@jit
def _jitter(
    red: tl.tensor,
    green: tl.tensor,
    blue: tl.tensor,
    numbers: tl.tensor,
    orders: tl.tensor,
    mean: tl.tensor,
) -> tl.tuple:
    """Brightness, contrast, saturation and hue in the image's own order."""
    changes = (tl.load(numbers) != 1) | (tl.load(numbers + 1) != 1)
    changes = changes | (tl.load(numbers + 2) != 1) | (tl.load(numbers + 3) != 0)
    if changes:
        order = orders + _order_of(numbers) * 5
        for position in range(4):
            operator = tl.load(order + position)
            factor = tl.load(numbers + operator)
            red, green, blue = _adjust(red, green, blue, operator, factor, mean)
    return red, green, blue


@jit
def _order_of(numbers: tl.tensor) -> tl.tensor:
    """The index of the jitter's order; its row of the table ends with contrast's position."""
    return tl.load(numbers + 4).to(tl.int32)


@jit
def _adjust(
    red: tl.tensor,
    green: tl.tensor,
    blue: tl.tensor,
    operator: tl.tensor,
    factor: tl.tensor,
    mean: tl.tensor,
) -> tl.tuple:
    """One operator of the jitter: 0 brightness, 1 contrast, 2 saturation, 3 hue."""
    if operator == 3:
        if factor != 0:
            red, green, blue = _turn(red, green, blue, factor)
    else:
        # Blends with black, with the mean grey, with the grey of each pixel.
        level = tl.where(operator == 2, _grey_of(red, green, blue), 0.0)
        level = tl.where(operator == 1, mean, level)
        rest = level * (1 - factor)
        red = tl.minimum(tl.maximum(red * factor + rest, 0.0), 1.0)
        green = tl.minimum(tl.maximum(green * factor + rest, 0.0), 1.0)
        blue = tl.minimum(tl.maximum(blue * factor + rest, 0.0), 1.0)
    return red, green, blue


@jit
def _turn(red: tl.tensor, green: tl.tensor, blue: tl.tensor, shift: tl.tensor) -> tl.tuple:
    """Turns the colours; see `operators.hue`."""
    value = tl.maximum(tl.maximum(red, green), blue)
    chroma = value - tl.minimum(tl.minimum(red, green), blue)
    part = 1 / tl.where(chroma == 0, 1.0, chroma)
    angle = tl.where(value == green, (blue - red) * part + 2, (red - green) * part + 4)
    angle = tl.where(value == red, (green - blue) * part, angle)
    turns = angle / 6 + shift
    red = value - chroma * _lack(turns + 1 / 2)
    green = value - chroma * _lack(turns + 1 / 6)
    blue = value - chroma * _lack(turns - 1 / 6)
    return red, green, blue


@jit
def _lack(turns: tl.tensor) -> tl.tensor:
    """How much of its chroma a primary lacks at an angle, 0 to 1."""
    away = tl.abs(turns - tl.floor(turns + 0.5))
    return tl.minimum(tl.maximum(2 - 6 * away, 0.0), 1.0)


@jit
def _grey_of(red: tl.tensor, green: tl.tensor, blue: tl.tensor) -> tl.tensor:
    """The luminance, with torchvision's weights."""
    return 0.2989 * red + 0.587 * green + 0.114 * blue
