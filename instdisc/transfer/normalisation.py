"""From images as they are read to what a backbone was trained to see.

Legend: B batch, H x W size of a batch's images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from instdisc.checks import finite, refuse
from instdisc.types import InputSpec


def check_statistics(mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    """Refuses what is no mean and no standard deviation of three channels; ``None`` is neither.

    Example:
        >>> check_statistics((0.5, 0.5, 0.5), (0.2, 0.2, 0.0))
        Traceback (most recent call last):
        ValueError: `std[2]` must be a finite number above 0, got 0.0
    """
    for name, values in (("mean", mean), ("std", std)):
        if values is None:
            continue
        if len(values) != 3:
            refuse(name, "three numbers, one for each channel", values)
        for place, value in enumerate(values):
            finite(f"{name}[{place}]", value, above=None if name == "mean" else 0)


class Normaliser(nn.Module):
    """Normalises uint8 images on the device; the padding is zero afterwards.

    It has no state: what a backbone was trained to see goes with the backbone.

    Args:
        seen: see `Backbone.input`.

    Example:
        >>> normalise = Normaliser(InputSpec(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)))
        >>> images = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
        >>> normalise(images, torch.tensor([[1, 2]]))[0, 0]
        tensor([[1., 1.],
                [0., 0.]])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, seen: InputSpec) -> None:
        super().__init__()
        for name in ("mean", "std"):
            self.register_buffer(name, torch.empty(3, 1, 1), persistent=False)
        self.follow(seen)

    def follow(self, seen: InputSpec) -> None:
        """Normalises so from now on."""
        for name in ("mean", "std"):
            buffer = getattr(self, name)
            buffer.copy_(torch.tensor(getattr(seen, name))[:, None, None])

    def forward(self, images: Tensor, sizes: Tensor | None = None) -> Tensor:
        """Images as the network takes them.

        Args:
            images: ``(B, 3, H, W)`` uint8.
            sizes: ``(B, 2)`` height and width without the padding; ``None``: there is none.

        Returns:
            ``(B, 3, H, W)`` float32.
        """
        normal = (images.float() / 255 - self.mean) / self.std
        if sizes is None:
            return normal
        height, width = images.shape[-2:]
        rows = torch.arange(height, device=images.device) < sizes[:, :1]  # (B, H)
        columns = torch.arange(width, device=images.device) < sizes[:, 1:]  # (B, W)
        return normal * (rows[:, None, :, None] & columns[:, None, None, :])
