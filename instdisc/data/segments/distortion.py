"""The colour distortion of detectors and segmenters.

Legend: B batch, H x W image size. Images are float in [0, 1].
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import finite

from ..views.draws import Draws
from ..views.operators import hue
from ..views.photometric import PhotometricStep


class PhotometricDistortion(PhotometricStep):
    """Random brightness, contrast, saturation and hue, each with chance 1/2.

    In this order; contrast comes after brightness or last, with equal chances.

    Args:
        brightness: added, from [-x, x], for colours in [0, 1].
        contrast: factor of the colours from [1 - x, 1 + x].
        saturation: factor of the saturation (HSV) from [1 - x, 1 + x].
        hue: shift from [-x, x] turns of the colour circle; at most 0.5.

    Raises:
        ValueError: if a strength is out of range.

    Source:
        mmsegmentation's PhotoMetricDistortion, after Liu et al., "SSD" (2016), whose values are
        the defaults: 32 of 255, 0.5, 0.5, and 18 of the 180 steps of a hue in 8 bits, which are
        36 degrees. Differs from it: colours are clamped but not rounded after each step, and the
        hue takes every value between the steps.

    Example:
        >>> grey = torch.full((1, 3, 1, 1), 0.5)
        >>> numbers = torch.tensor([[0.1, 1.0, 1.0, 0.0, 2.0]])
        >>> PhotometricDistortion().apply(grey, numbers).flatten()
        tensor([1., 1., 1.])
    """

    num_numbers = 5  # brightness, contrast first, saturation, hue, contrast last
    neutral = (0.0, 1.0, 1.0, 0.0, 1.0)

    def __init__(
        self,
        brightness: float = 32 / 255,
        contrast: float = 0.5,
        saturation: float = 0.5,
        hue: float = 18 / 180,
    ) -> None:
        checks.arguments(
            PhotometricDistortion.__init__,
            locals(),
            brightness=checks.share,
            contrast=checks.share,
            saturation=checks.share,
        )
        finite("hue", hue, at_least=0, at_most=0.5)
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation
        self.hue = hue

    def draw(self, draws: Draws) -> np.ndarray:
        def sometimes(low: float, high: float, otherwise: float) -> np.ndarray:
            happens = draws.chance(0.5)
            return np.where(happens, draws.uniform(low, high), otherwise)

        added = sometimes(-self.brightness, self.brightness, 0.0)
        factor = sometimes(1 - self.contrast, 1 + self.contrast, 1.0)
        first = draws.chance(0.5)
        purer = sometimes(1 - self.saturation, 1 + self.saturation, 1.0)
        turned = sometimes(-self.hue, self.hue, 0.0)
        early, late = np.where(first, factor, 1.0), np.where(first, 1.0, factor)
        return np.stack([added, early, purer, turned, late], 1)

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        added, early, purer, turned, late = numbers[..., None, None].unbind(1)  # each (B, 1, 1)
        images = (images + added[:, None]).clamp(0, 1)
        images = (images * early[:, None]).clamp(0, 1)
        value = images.amax(1, keepdim=True)  # HSV
        chroma = value - images.amin(1, keepdim=True)
        # A saturation, chroma / value, of at most 1.
        most = value / torch.where(chroma == 0, 1.0, chroma)
        images = value - (value - images) * torch.minimum(purer[:, None], most)
        images = torch.stack(hue(list(images.unbind(1)), turned), 1)
        return (images * late[:, None]).clamp(0, 1)
