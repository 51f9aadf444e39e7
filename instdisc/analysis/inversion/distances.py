"""How far images are from others, for each pair.

Legend: B images, H x W their size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data.left_out import say_once

from .perceptual import TRUNKS, perceptual_distance

LPIPS = {f"lpips_{name}": name for name in TRUNKS}
TITLES = {
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "psnr": "PSNR",
    **{name: f"LPIPS ({TRUNKS[trunk].title})" for name, trunk in LPIPS.items()},
}
"""What there is, and how it is written."""

HIGHER_IS_BETTER = {name: name not in LPIPS for name in TITLES}
_LEAST_MS_SSIM = 176  # px, a sixteenth of which the window of 11 px must fit in
_LEAST_SSIM = 11


@checked_call()
def image_distances(
    images: Tensor,
    others: Tensor,
    distances: Sequence[str] = ("ssim", "psnr"),
    *,
    lpips_weights: Mapping[str, str | Path] | None = None,
) -> dict[str, Tensor]:
    """Similarities and distances of pairs of images.

    Args:
        images: ``(B, 3, H, W)`` float from 0 to 1.
        others: likewise.
        distances: which: ``"ssim"`` (structural similarity, 1 = alike), ``"ms_ssim"`` (on five
            scales), ``"psnr"`` (peak signal to noise in decibel), ``"lpips_alex"``,
            ``"lpips_vgg"``, ``"lpips_squeeze"`` (see `perceptual_distance`; 0 = alike).
        lpips_weights: files of weights by ``"alex"``, ``"vgg"``, ``"squeeze"``.

    Returns:
        By name ``(B,)`` float64. ``"ms_ssim"`` is left out, with one line in the log, where a
        side is below 176 px.

    Raises:
        TypeError: if they are no float tensors.
        ValueError: if they differ in shape or leave 0 to 1, a distance has no such name, images
            are too small for another, or weights are another network's.
        FileNotFoundError: if weights are missing; names the file.

    Source:
        Wang et al., "Image Quality Assessment" (2004) and "Multiscale Structural Similarity"
        (2003), by torchmetrics; Zhang et al. (2018).

    Example:
        >>> images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> image_distances(images, images, ["ssim"])["ssim"].tolist()
        [1.0, 1.0]
    """
    images, others = (_checked(name, x) for name, x in (("images", images), ("others", others)))
    checks.same_shape("others", others, "images", images)
    check_distances(distances)
    check_lpips_weights(lpips_weights)
    height, width = images.shape[2:]
    side = min(height, width)
    values: dict[str, Tensor] = {}
    value: Any
    for name in distances:
        if name == "ms_ssim" and side < _LEAST_MS_SSIM:
            say_once(
                f"MS-SSIM is left out: it needs images of at least {_LEAST_MS_SSIM} px a side, "
                f"these are of {height} x {width}"
            )
            continue
        if name == "psnr":
            value = peak_signal_noise_ratio(
                images, others, data_range=1.0, reduction="none", dim=(1, 2, 3)
            )
        elif name in LPIPS:
            file = (lpips_weights or {}).get(LPIPS[name])
            value = perceptual_distance(images, others, LPIPS[name], weights=file)
        else:
            if side < _LEAST_SSIM:
                checks.refuse("images", f"of at least {_LEAST_SSIM} px a side for SSIM", images)
            function = (
                multiscale_structural_similarity_index_measure
                if name == "ms_ssim"
                else structural_similarity_index_measure
            )
            value = function(images, others, data_range=1.0, reduction="none")
        values[name] = torch.as_tensor(value).double().reshape(len(images)).cpu()
    return values


def check_distances(distances: Sequence[str]) -> None:
    """Raises a ValueError if there is none, or one has no such name."""
    if isinstance(distances, str) or not len(distances):
        checks.refuse("distances", "a list of at least one", distances)
    for name in distances:
        checks.choice("distances", name, TITLES)


def check_lpips_weights(weights: Mapping[str, str | Path] | None) -> None:
    """Refuses files of no network of `perceptual_distance`."""
    for name, file in (weights or {}).items():
        checks.choice("lpips_weights", name, list(TRUNKS))
        checks.instance(f"lpips_weights[{name!r}]", file, (str, Path), "a path")


def _checked(name: str, images: Tensor) -> Tensor:
    checks.shape(name, images, ("B", 3, "H", "W"))
    checks.dtype(name, images, (torch.float32, torch.float64))
    checks.all_finite(name, images, row="image")
    if not images.numel():
        checks.refuse(name, "of at least one image", images)
    for end in (float(images.min()), float(images.max())):
        checks.share(name, end)
    return images.detach().float()
