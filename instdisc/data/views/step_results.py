"""What a photometric step, perhaps a user's own, gives back, held to what it must be.

Legend: B batch, H x W image size, n numbers of a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .draws import Draws
from .photometric import ColorJitter, PhotometricStep


def draw_colours(steps: Sequence[PhotometricStep], draws: Draws) -> Tensor:
    """The numbers of all steps, ``(B, n)`` float32, in the order of the steps.

    Raises:
        ValueError: if `draw` of a step gives another count of numbers than its `num_numbers`.
    """
    drawn = [np.empty((len(draws), 0))]
    for step in steps:
        numbers = np.asarray(step.draw(draws))
        due = (len(draws), step.num_numbers)
        if numbers.shape != due:
            jitters = isinstance(step, ColorJitter)
            raise ValueError(
                f"`{type(step).__name__}.draw` must return `num_numbers`={step.num_numbers} "
                f"numbers for each view, {due}, got {numbers.shape}. "
                + ("The last is the order, 0 to 23" if jitters else "Return as many, or set that")
            )
        drawn.append(numbers)
    return torch.from_numpy(np.concatenate(drawn, axis=1)).float()


def check_images(step: PhotometricStep, result: Tensor, images: Tensor) -> Tensor:
    """What a step made of images ``(B, 3, H, W)``, in their dtype.

    Raises:
        ValueError: if it is not floating point or of another shape.
    """
    if result.shape != images.shape or not result.is_floating_point():
        raise ValueError(
            f"`{type(step).__name__}.apply` must return float images of the shape it takes, "
            f"{tuple(images.shape)}, got {result.dtype} {tuple(result.shape)}"
        )
    return result.to(images.dtype)
