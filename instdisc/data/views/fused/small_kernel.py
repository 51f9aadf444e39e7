"""All that `kernels` do, in one launch, for views so small that one program holds a whole image.

A launch costs the host more than small views cost the device. See `kernels` for the arguments.

Legend: B images.
"""

from __future__ import annotations

from instdisc.gpu import jit, tl

from .pixels import grey_at_contrast, normalise, read, run_steps, write


@jit
def finish_small(
    source: tl.tensor,
    target: tl.tensor,
    numbers: tl.tensor,
    constants: tl.tensor,
    orders: tl.tensor,
    row: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    image_stride: tl.tensor,
    plane_stride: tl.tensor,
    pixel_stride: tl.tensor,
    target_image_stride: tl.tensor,
    target_plane_stride: tl.tensor,
    target_pixel_stride: tl.tensor,
    STEPS: tl.constexpr,
    COLUMN: tl.constexpr,
    THRESHOLD: tl.constexpr,
    BEFORE: tl.constexpr,
    JITTER_COLUMN: tl.constexpr,
    BLUR_COLUMN: tl.constexpr,
    RADIUS: tl.constexpr,
    AFTER: tl.constexpr,
    AFTER_COLUMN: tl.constexpr,
    AFTER_THRESHOLD: tl.constexpr,
    NORMALISES: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """From the source to the target, an image of at most `BLOCK` pixels in each program."""
    image = tl.program_id(0)
    numbers += image * row
    pixel = tl.arange(0, BLOCK)
    inside = pixel < height * width
    start = source + image.to(tl.int64) * image_stride
    red, green, blue = read(start + pixel * pixel_stride, plane_stride, inside)
    mean = 0.0
    if JITTER_COLUMN >= 0:  # noqa: SIM102 - settled when it is compiled, the next for each image
        if tl.load(numbers + JITTER_COLUMN + 1) != 1:
            grey = grey_at_contrast(
                red,
                green,
                blue,
                numbers,
                orders,
                constants,
                BEFORE,
                COLUMN,
                THRESHOLD,
                JITTER_COLUMN,
            )
            mean = tl.sum(tl.where(inside, grey, 0.0), 0) / (height * width)
    red, green, blue = run_steps(
        red, green, blue, numbers, orders, constants, mean, STEPS, COLUMN, THRESHOLD
    )
    if BLUR_COLUMN >= 0:
        sigma = tl.load(numbers + BLUR_COLUMN)
        if sigma > 0:
            sigma = tl.maximum(sigma, 1e-3)
            across, down = pixel % width, pixel // width
            red, green, blue = _blur(red, green, blue, across, width - 1, 1, sigma, RADIUS, BLOCK)
            red, green, blue = _blur(
                red, green, blue, down, height - 1, width, sigma, RADIUS, BLOCK
            )
    red, green, blue = run_steps(
        red, green, blue, numbers, orders, constants, 0.0, AFTER, AFTER_COLUMN, AFTER_THRESHOLD
    )
    if NORMALISES:
        red, green, blue = normalise(red, green, blue, constants)
    view = target + image.to(tl.int64) * target_image_stride
    write(view + pixel * target_pixel_stride, target_plane_stride, inside, red, green, blue)


@jit
def _blur(
    red: tl.tensor,
    green: tl.tensor,
    blue: tl.tensor,
    place: tl.tensor,
    last: tl.tensor,
    stride: tl.tensor,
    sigma: tl.tensor,
    RADIUS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tl.tuple:
    """Along the axis on which pixels have a `place` from 0 to `last`, `stride` apart."""
    start = tl.arange(0, BLOCK) - place * stride
    reach = tl.minimum(last, RADIUS)
    total = 0.0
    sum_red = tl.zeros([BLOCK], tl.float32)
    sum_green = tl.zeros([BLOCK], tl.float32)
    sum_blue = tl.zeros([BLOCK], tl.float32)
    for tap in range(-RADIUS, RADIUS + 1):
        if (tap <= reach) & (tap >= -reach):
            distance = tap / sigma
            weight = tl.exp(-0.5 * distance * distance)
            near = tl.abs(place + tap)
            near = tl.where(near > last, 2 * last - near, near)
            # What lies behind the image's last pixel reads anything inside the block.
            index = tl.minimum(tl.maximum(start + near * stride, 0), BLOCK - 1)
            sum_red += weight * tl.gather(red, index, 0)
            sum_green += weight * tl.gather(green, index, 0)
            sum_blue += weight * tl.gather(blue, index, 0)
            total += weight
    return sum_red / total, sum_green / total, sum_blue / total
