"""The photometric steps as Triton kernels: pixels stay in registers from uint8 to the view.

Each program handles one block of pixels, all three colours, of one image, so that whatever
differs between images (order of the jitter, blurred or not) is a branch that it takes as a whole.
Arithmetic is in float32.

A row of steps is an integer of two bits each, the first step lowest: 0 none, 1 jitter,
2 greyscale, 3 solarisation. `fused` makes these integers and launches the kernels.

Legend: B images, P pixels of an image, row-major.
"""

from __future__ import annotations

from .gpu import jit, tl


@jit
def sum_grey(
    source: tl.tensor,
    sums: tl.tensor,
    numbers: tl.tensor,
    orders: tl.tensor,
    constants: tl.tensor,
    row: tl.tensor,
    num_blocks: tl.tensor,
    num_pixels: tl.tensor,
    image_stride: tl.tensor,
    plane_stride: tl.tensor,
    pixel_stride: tl.tensor,
    BEFORE: tl.constexpr,
    COLUMN: tl.constexpr,
    JITTER_COLUMN: tl.constexpr,
    THRESHOLD: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Sums the grey of each block as it is when contrast comes: ``sums`` is ``(B, blocks)``.

    Args:
        BEFORE: the steps before the jitter, whose numbers begin at column `COLUMN`.
        JITTER_COLUMN: where those of the jitter begin.
        THRESHOLD: where in `constants` the next threshold lies.
    """
    program = tl.program_id(0)
    image = program // num_blocks
    numbers += image * row
    if tl.load(numbers + JITTER_COLUMN + 1) != 1:  # the factor of contrast
        pixel = (program % num_blocks) * BLOCK + tl.arange(0, BLOCK)
        inside = pixel < num_pixels
        start = source + image.to(tl.int64) * image_stride
        red, green, blue = _read(start + pixel * pixel_stride, plane_stride, inside)
        red, green, blue = _run_steps(
            red, green, blue, numbers, orders, constants, 0.0, BEFORE, COLUMN, THRESHOLD
        )
        order = orders + _order(numbers, JITTER_COLUMN) * 5
        contrast = tl.load(order + 4)  # its position
        for position in range(3):
            if position < contrast:
                operator = tl.load(order + position)
                factor = tl.load(numbers + JITTER_COLUMN + operator)
                red, green, blue = _adjust(red, green, blue, operator, factor, 0.0)
        grey = tl.where(inside, _grey(red, green, blue), 0.0)
        tl.store(sums + program, tl.sum(grey, 0))


@jit
def change_colours(
    source: tl.tensor,
    target: tl.tensor,
    unblurred: tl.tensor,
    sums: tl.tensor,
    numbers: tl.tensor,
    orders: tl.tensor,
    constants: tl.tensor,
    row: tl.tensor,
    num_blocks: tl.tensor,
    num_pixels: tl.tensor,
    image_stride: tl.tensor,
    plane_stride: tl.tensor,
    pixel_stride: tl.tensor,
    target_image_stride: tl.tensor,
    target_plane_stride: tl.tensor,
    target_pixel_stride: tl.tensor,
    STEPS: tl.constexpr,
    COLUMN: tl.constexpr,
    THRESHOLD: tl.constexpr,
    JITTER_COLUMN: tl.constexpr,
    BLUR_COLUMN: tl.constexpr,
    AFTER: tl.constexpr,
    AFTER_THRESHOLD: tl.constexpr,
    NORMALISES: tl.constexpr,
    NUM_SUMS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """From a source to a target, or for images that are to be blurred, to ``unblurred``.

    Args:
        unblurred: in planes, images of 3 P values each.
        JITTER_COLUMN: where the numbers of the jitter begin; -1 if no step is one.
        BLUR_COLUMN: of the blur's sigma; -1 without a blur.
        AFTER: the steps after the blur.
        NUM_SUMS: a power of 2, at least the number of blocks.
    """
    program = tl.program_id(0)
    image = program // num_blocks
    numbers += image * row
    pixel = (program % num_blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < num_pixels
    mean = 0.0
    if JITTER_COLUMN >= 0:
        if tl.load(numbers + JITTER_COLUMN + 1) != 1:
            part = tl.arange(0, NUM_SUMS)
            parts = tl.load(sums + image * num_blocks + part, mask=part < num_blocks, other=0.0)
            mean = tl.sum(parts, 0) / num_pixels
    start = source + image.to(tl.int64) * image_stride
    red, green, blue = _read(start + pixel * pixel_stride, plane_stride, inside)
    red, green, blue = _run_steps(
        red, green, blue, numbers, orders, constants, mean, STEPS, COLUMN, THRESHOLD
    )
    blurs = False
    if BLUR_COLUMN >= 0:
        blurs = tl.load(numbers + BLUR_COLUMN) > 0
    if blurs:
        planes = unblurred + image.to(tl.int64) * (3 * num_pixels)
        _write(planes + pixel, num_pixels, inside, red, green, blue)
    else:
        red, green, blue = _run_steps(
            red,
            green,
            blue,
            numbers,
            orders,
            constants,
            0.0,
            AFTER,
            BLUR_COLUMN + 1,
            AFTER_THRESHOLD,
        )
        if NORMALISES:
            red, green, blue = _normalise(red, green, blue, constants)
        view = target + image.to(tl.int64) * target_image_stride
        _write(view + pixel * target_pixel_stride, target_plane_stride, inside, red, green, blue)


@jit
def blur(
    source: tl.tensor,
    target: tl.tensor,
    numbers: tl.tensor,
    orders: tl.tensor,
    constants: tl.tensor,
    row: tl.tensor,
    num_blocks: tl.tensor,
    num_pixels: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    target_image_stride: tl.tensor,
    target_plane_stride: tl.tensor,
    target_pixel_stride: tl.tensor,
    RADIUS: tl.constexpr,
    DOWN: tl.constexpr,
    BLUR_COLUMN: tl.constexpr,
    AFTER: tl.constexpr,
    AFTER_THRESHOLD: tl.constexpr,
    NORMALISES: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """One axis of the blur, of those images whose sigma is not 0; from planes to a target.

    Args:
        DOWN: whether along the columns instead of the rows.
        AFTER: the steps that follow.
    """
    program = tl.program_id(0)
    image = program // num_blocks
    numbers += image * row
    sigma = tl.load(numbers + BLUR_COLUMN)
    if sigma > 0:
        sigma = tl.maximum(sigma, 1e-3)
        pixel = (program % num_blocks) * BLOCK + tl.arange(0, BLOCK)
        inside = pixel < num_pixels
        if DOWN:
            place, last, stride = pixel // width, height - 1, width
        else:
            place, last, stride = pixel % width, width - 1, 1
        line = source + image.to(tl.int64) * (3 * num_pixels) + (pixel - place * stride)
        reach = tl.minimum(last, RADIUS)  # a border reflects no further than the image is wide
        red = tl.zeros([BLOCK], tl.float32)
        green = tl.zeros([BLOCK], tl.float32)
        blue = tl.zeros([BLOCK], tl.float32)
        total = 0.0
        for tap in range(-RADIUS, RADIUS + 1):
            distance = tap / sigma
            weight = tl.exp(-0.5 * distance * distance)
            weight = tl.where((tap > reach) | (tap < -reach), 0.0, weight)
            near = tl.abs(place + tap)
            near = tl.maximum(tl.where(near > last, 2 * last - near, near), 0)
            r, g, b = _read(line + near * stride, num_pixels, inside)
            red += weight * r
            green += weight * g
            blue += weight * b
            total += weight
        red, green, blue = red / total, green / total, blue / total
        red, green, blue = _run_steps(
            red,
            green,
            blue,
            numbers,
            orders,
            constants,
            0.0,
            AFTER,
            BLUR_COLUMN + 1,
            AFTER_THRESHOLD,
        )
        if NORMALISES:
            red, green, blue = _normalise(red, green, blue, constants)
        view = target + image.to(tl.int64) * target_image_stride
        _write(view + pixel * target_pixel_stride, target_plane_stride, inside, red, green, blue)


@jit
def _read(source: tl.tensor, plane_stride: tl.tensor, inside: tl.tensor) -> tl.tuple:
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
def _write(
    target: tl.tensor,
    plane_stride: tl.tensor,
    inside: tl.tensor,
    red: tl.tensor,
    green: tl.tensor,
    blue: tl.tensor,
) -> None:
    dtype = target.dtype.element_ty
    tl.store(target, red.to(dtype), mask=inside)
    tl.store(target + plane_stride, green.to(dtype), mask=inside)
    tl.store(target + 2 * plane_stride, blue.to(dtype), mask=inside)


@jit
def _normalise(red: tl.tensor, green: tl.tensor, blue: tl.tensor, constants: tl.tensor) -> tl.tuple:
    """With the means and deviations that `constants` begins with."""
    red = (red - tl.load(constants)) / tl.load(constants + 3)
    green = (green - tl.load(constants + 1)) / tl.load(constants + 4)
    blue = (blue - tl.load(constants + 2)) / tl.load(constants + 5)
    return red, green, blue


@jit
def _run_steps(
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
    numbers += COLUMN
    constants += THRESHOLD
    for step in tl.static_range(15):
        if (STEPS >> (2 * step)) & 3 == 1:
            red, green, blue = _jitter(red, green, blue, numbers, orders, mean)
            numbers += 5
        if (STEPS >> (2 * step)) & 3 == 2:
            happens = tl.load(numbers) > 0
            grey = _grey(red, green, blue)
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
        order = orders + _order(numbers, 0) * 5
        for position in range(4):
            operator = tl.load(order + position)
            factor = tl.load(numbers + operator)
            red, green, blue = _adjust(red, green, blue, operator, factor, mean)
    return red, green, blue


@jit
def _order(numbers: tl.tensor, column: tl.tensor) -> tl.tuple:
    """The index of the jitter's order; its row of the table ends with contrast's position."""
    return tl.load(numbers + column + 4).to(tl.int32)


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
        level = tl.where(operator == 2, _grey(red, green, blue), 0.0)
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
def _lack(turns: tl.tensor) -> tl.tuple:
    """How much of its chroma a primary lacks at an angle, 0 to 1."""
    away = tl.abs(turns - tl.floor(turns + 0.5))
    return tl.minimum(tl.maximum(2 - 6 * away, 0.0), 1.0)


@jit
def _grey(red: tl.tensor, green: tl.tensor, blue: tl.tensor) -> tl.tuple:
    return 0.2989 * red + 0.587 * green + 0.114 * blue
