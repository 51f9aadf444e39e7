"""Changes of growing strength, on a batch of square images; strength 0 changes nothing.

Which way an image is shifted, turned or recoloured goes by its position in the set, so that
neither side is favoured and nothing is left to chance.

Legend: B batch, S side of an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as tv

from instdisc import checks
from instdisc.checks import checked_call

Strengths = Mapping[str, Sequence[float]]


@checked_call()
class Transform(NamedTuple):
    """A change of images; add your own by ``TRANSFORMS["name"] = Transform(...)``.

    Attributes:
        function: from images ``(B, 3, S, S)`` float32 in [0, 1], the strength and the positions
            of the images in their set ``(B,)`` int64 on the CPU, to images of the same shape.
        strengths: by default.
        unit: of the strength, in words.
        most: the largest strength that it can do.
    """

    function: Callable[[Tensor, float, Tensor], Tensor]
    strengths: tuple[float, ...]
    unit: str
    most: float = math.inf


@checked_call(strength=checks.not_negative)
def transform_images(
    images: Tensor, name: str, strength: float, positions: Tensor | None = None
) -> Tensor:
    """Images after a transform of `TRANSFORMS`.

    Args:
        images: ``(B, 3, S, S)`` float in [0, 1].
        name: of the transform.
        strength: in its unit; 0 gives the images themselves.
        positions: ``(B,)`` int64 of the images in their set; ``None``: 0 to B - 1.

    Raises:
        TypeError, ValueError: if the images are no such batch, there is no such transform, or the
            strength is out of its range.

    Example:
        >>> image = torch.rand(1, 3, 8, 8)
        >>> float(transform_images(image, "grey", 1).std(1).max()) < 1e-6
        True
    """
    checks.shape("images", images, ("B", 3, "S", "S"))
    checks.dtype("images", images, checks.FLOATS)
    transform = TRANSFORMS[checks.choice("name", name, list(TRANSFORMS))]
    check_strength("strength", strength, name)
    if strength == 0:
        return images
    places = torch.arange(len(images)) if positions is None else positions.cpu()
    checks.same_length(
        "positions", checks.dtype("positions", places, torch.int64), "images", images
    )
    return transform.function(images, strength, places)


def check_strength(argument: str, strength: float, name: str) -> None:
    """Refuses a strength that a transform cannot do."""
    transform = TRANSFORMS[name]
    most = None if math.isinf(transform.most) else transform.most
    remedy = f"For {name!r} it is in: {transform.unit}."
    checks.finite(argument, strength, at_least=0, at_most=most, remedy=remedy)


def check_transforms(transforms: Sequence[str], strengths: Strengths | None) -> None:
    """Refuses transforms that there are not, and strengths that are no curve.

    Args:
        transforms: names in `TRANSFORMS`, at least one.
        strengths: of some of them: numbers above 0 that grow. ``None``: of none.

    Raises:
        TypeError, ValueError: names what is wrong.
    """
    checks.instance("transforms", transforms, (list, tuple), "a list of names")
    if not transforms:
        checks.refuse("transforms", "a list of at least one name", transforms)
    for name in transforms:
        checks.choice("transforms", name, list(TRANSFORMS))
    if len(set(transforms)) < len(transforms):
        checks.refuse("transforms", "names each of which stands there once", list(transforms))
    chosen = {} if strengths is None else strengths
    checks.instance("strengths", chosen, Mapping, "a mapping of transforms to strengths, or None")
    for name, values in chosen.items():
        checks.choice("strengths", name, list(transforms))
        argument = f"strengths[{name!r}]"
        checks.instance(argument, values, (list, tuple), "a list of numbers")
        for value in values:
            check_strength(argument, value, name)
        steps = [0, *values]
        if len(steps) < 2 or steps != sorted(set(steps)):
            checks.refuse(argument, "numbers above 0 that grow, at least one", list(values))


def _crop(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    side = images.shape[-1]
    kept = max(1, round((1 - strength) * side))
    first = (side - kept) // 2
    middle = images[..., first : first + kept, first : first + kept]
    return _resize(middle, side)


def _scale(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    side = images.shape[-1]
    small = _resize(images, max(1, round((1 - strength) * side)))
    before = (side - small.shape[-1]) // 2
    after = side - small.shape[-1] - before
    return _mirror(small, before, after)


def _translation(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    side = images.shape[-1]
    pixels = round(strength * side)
    wide = _mirror(images, pixels, pixels)
    shifted = torch.empty_like(images)
    for direction, (x, y) in enumerate(((-1, 0), (0, -1), (1, 0), (0, 1))):  # right, down, left, up
        rows = (positions % 4 == direction).nonzero()[:, 0].to(images.device)
        left, top = pixels * (1 + x), pixels * (1 + y)
        shifted[rows] = wide[rows, :, top : top + side, left : left + side]
    return shifted


def _rotation(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    angles = math.radians(strength) * _signs(positions)
    cos, sin, nothing = angles.cos(), angles.sin(), torch.zeros_like(angles)
    theta = torch.stack([cos, -sin, nothing, sin, cos, nothing], 1).view(-1, 2, 3).to(images)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _hue(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    changed = torch.empty_like(images)
    for sign in (-1, 1):
        rows = (_signs(positions) == sign).nonzero()[:, 0].to(images.device)
        if len(rows):
            changed[rows] = tv.adjust_hue(images[rows], sign * strength)
    return changed


def _brightness(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    return images * (1 - strength)


def _grey(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    return images.lerp(tv.rgb_to_grayscale(images, 3), strength)


def _blur(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    sigma = strength * images.shape[-1]
    reach = math.ceil(3 * sigma)
    _check_border(images, reach)
    return tv.gaussian_blur(images, [2 * reach + 1] * 2, [sigma] * 2)


def _noise(images: Tensor, strength: float, positions: Tensor) -> Tensor:
    # Of each image by itself, so that it does not depend on the batch.
    drawn = [
        torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(position))
        for position in positions.tolist()
    ]
    return (images + strength * torch.stack(drawn).to(images)).clamp(0, 1)


def _signs(positions: Tensor) -> Tensor:
    return 1.0 - 2.0 * (positions % 2)


def _mirror(images: Tensor, before: int, after: int) -> Tensor:
    """Images with a border that mirrors them."""
    _check_border(images, max(before, after))
    return functional.pad(images, (before, after, before, after), mode="reflect")


def _check_border(images: Tensor, border: int) -> None:
    """Refuses images that are too small to be mirrored around so wide."""
    if border >= images.shape[-1]:
        remedy = "Show them larger, or choose a smaller strength."
        checks.refuse("images", f"wider than a border of {border} pixels", images, remedy)


def _resize(images: Tensor, side: int) -> Tensor:
    return functional.interpolate(
        images, (side, side), mode="bilinear", antialias=True, align_corners=False
    )


TRANSFORMS: dict[str, Transform] = {
    "crop": Transform(_crop, (0.125, 0.25, 0.5, 0.75), "share of side cut", 0.95),
    "scale": Transform(_scale, (0.125, 0.25, 0.375, 0.5), "share of side lost", 0.6),
    "translation": Transform(_translation, (0.0625, 0.125, 0.25, 0.5), "share of side", 0.9),
    "rotation": Transform(_rotation, (5, 15, 45, 90), "degrees", 180),
    "hue": Transform(_hue, (0.05, 0.1, 0.25, 0.5), "share of circle", 0.5),
    "brightness": Transform(_brightness, (0.1, 0.2, 0.4, 0.6), "share of light lost", 1),
    "grey": Transform(_grey, (0.25, 0.5, 0.75, 1), "share of colour lost", 1),
    "blur": Transform(_blur, (0.01, 0.02, 0.04, 0.08), "sigma, share of side", 0.3),
    "noise": Transform(_noise, (0.05, 0.1, 0.2, 0.4), "deviation, of white", 10),
}
"""Cuts the border off and enlarges the rest; shrinks the image and mirrors it around; shifts it by
whole pixels; turns it; turns the hue; darkens; takes the colour out; Gaussian blur; Gaussian noise.
"""
