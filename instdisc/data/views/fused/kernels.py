"""The photometric steps as Triton kernels: pixels stay in registers from uint8 to the view.

Each program handles one block of pixels, all three colours, of one image, so that whatever
differs between images (order of the jitter, blurred or not) is a branch that it takes as a whole.
Arithmetic is in float32. `fused` launches them.

What the arguments have in common: `numbers` are ``(B, row)``, `orders` and `constants` the tables
of `fused`; a policy's columns, thresholds and rows of steps (see `pixels`) are known when a
kernel is compiled. Images are given by the strides of images, planes and pixels, and have
`num_pixels` pixels, which `num_blocks` programs share.

Legend: B images.
"""

from __future__ import annotations

from instdisc.gpu import jit, tl

from .pixels import grey_at_contrast, normalise, read, run_steps, write


@jit
def sum_grey(
    source: tl.tensor,
    sums: tl.tensor,
    numbers: tl.tensor,
    constants: tl.tensor,
    orders: tl.tensor,
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
    """Sums the grey of each block as it is when contrast comes: `sums` is ``(B, num_blocks)``.

    `BEFORE` are the steps before the jitter, whose numbers begin at `COLUMN`, and those of the
    jitter at `JITTER_COLUMN`; `THRESHOLD` is where in `constants` the next threshold lies.
    """
    program = tl.program_id(0)
    image = program // num_blocks
    numbers += image * row
    if tl.load(numbers + JITTER_COLUMN + 1) != 1:  # the factor of contrast
        pixel = (program % num_blocks) * BLOCK + tl.arange(0, BLOCK)
        inside = pixel < num_pixels
        start = source + image.to(tl.int64) * image_stride
        red, green, blue = read(start + pixel * pixel_stride, plane_stride, inside)
        grey = grey_at_contrast(
            red, green, blue, numbers, orders, constants, BEFORE, COLUMN, THRESHOLD, JITTER_COLUMN
        )
        tl.store(sums + program, tl.sum(tl.where(inside, grey, 0.0), 0))


@jit
def change_colours(
    source: tl.tensor,
    target: tl.tensor,
    unblurred: tl.tensor,
    sums: tl.tensor,
    numbers: tl.tensor,
    constants: tl.tensor,
    orders: tl.tensor,
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
    AFTER_COLUMN: tl.constexpr,
    AFTER_THRESHOLD: tl.constexpr,
    NORMALISES: tl.constexpr,
    NUM_SUMS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """From the source to the target; images that are to be blurred, to `unblurred`, in planes.

    `JITTER_COLUMN` is -1 if none of the `STEPS` is a jitter, `BLUR_COLUMN`, where sigma is, if
    there is no blur. `AFTER` are the steps after the blur; `NUM_SUMS` is a power of 2, at least
    the number of blocks.
    """
    program = tl.program_id(0)
    image = program // num_blocks
    numbers += image * row
    pixel = (program % num_blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < num_pixels
    mean = 0.0
    if JITTER_COLUMN >= 0:  # noqa: SIM102 - settled when it is compiled, the next for each image
        if tl.load(numbers + JITTER_COLUMN + 1) != 1:
            part = tl.arange(0, NUM_SUMS)
            parts = tl.load(sums + image * num_blocks + part, mask=part < num_blocks, other=0.0)
            mean = tl.sum(parts, 0) / num_pixels
    start = source + image.to(tl.int64) * image_stride
    red, green, blue = read(start + pixel * pixel_stride, plane_stride, inside)
    red, green, blue = run_steps(
        red, green, blue, numbers, orders, constants, mean, STEPS, COLUMN, THRESHOLD
    )
    blurs = False
    if BLUR_COLUMN >= 0:
        blurs = tl.load(numbers + BLUR_COLUMN) > 0
    if blurs:
        planes = unblurred + image.to(tl.int64) * (3 * num_pixels)
        write(planes + pixel, num_pixels, inside, red, green, blue)
    else:
        red, green, blue = run_steps(
            red, green, blue, numbers, orders, constants, 0.0, AFTER, AFTER_COLUMN, AFTER_THRESHOLD
        )
        if NORMALISES:
            red, green, blue = normalise(red, green, blue, constants)
        view = target + image.to(tl.int64) * target_image_stride
        write(view + pixel * target_pixel_stride, target_plane_stride, inside, red, green, blue)


@jit
def blur(
    source: tl.tensor,
    target: tl.tensor,
    numbers: tl.tensor,
    constants: tl.tensor,
    orders: tl.tensor,
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
    AFTER_COLUMN: tl.constexpr,
    AFTER_THRESHOLD: tl.constexpr,
    NORMALISES: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """One axis of the blur, of those images whose sigma is not 0; from planes to a target.

    `DOWN` is whether along the columns instead of the rows, `AFTER` are the steps that follow.
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
            r, g, b = read(line + near * stride, num_pixels, inside)
            red += weight * r
            green += weight * g
            blue += weight * b
            total += weight
        red, green, blue = red / total, green / total, blue / total
        red, green, blue = run_steps(
            red, green, blue, numbers, orders, constants, 0.0, AFTER, AFTER_COLUMN, AFTER_THRESHOLD
        )
        if NORMALISES:
            red, green, blue = normalise(red, green, blue, constants)
        view = target + image.to(tl.int64) * target_image_stride
        write(view + pixel * target_pixel_stride, target_plane_stride, inside, red, green, blue)
