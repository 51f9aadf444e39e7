"""Images that lie in one array.

Legend: N images, H x W size of an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import checks

from .source import ImageSource


class ImageArray(ImageSource):
    """Images of one size in one array.

    Args:
        pixels: ``(N, 3, H, W)`` uint8 RGB.
        labels: ``(N,)`` int64 class of each; ``-1`` = unknown.
        classes: names of the classes; empty if there are no labels.
        name: for records and messages.
        names: ``(N,)`` what each image is called in a split file; ``None`` for ``"0"``, ``"1"``,
            and so on.

    Raises:
        ValueError: if `pixels` has another shape or type or is empty, `labels` or `names` does not
            fit it, or `labels` names a class that is not in `classes`.

    Example:
        >>> images = ImageArray(
        ...     torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        ...     torch.tensor([0, 1]),
        ...     classes=["cat", "dog"],
        ...     name="pets",
        ... )
        >>> images.read(1).shape
        torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        pixels: Tensor,
        labels: Tensor,
        *,
        classes: Sequence[str] = (),
        name: str,
        names: Sequence[str] | None = None,
    ) -> None:
        checks.arguments(ImageArray.__init__, locals())
        if pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.dtype != torch.uint8:
            raise ValueError(
                f"`pixels` must be (N, 3, H, W) torch.uint8, got {tuple(pixels.shape)} "
                f"{pixels.dtype}"
            )
        if not len(pixels):
            raise ValueError(f"`pixels` of {name!r} must hold at least one image, got none")
        if labels.shape != (len(pixels),) or labels.dtype != torch.int64:
            raise ValueError(
                f"`labels` must be ({len(pixels)},) torch.int64, got {tuple(labels.shape)} "
                f"{labels.dtype}"
            )
        outside = ((labels < -1) | (labels >= len(classes))).nonzero()
        if len(outside):
            first = int(outside[0])
            raise ValueError(
                f"`labels` must lie in -1 to {len(classes) - 1} for {len(classes)} `classes`, got "
                f"{int(labels[first])} for image {first} of {name!r}"
            )
        if names is not None and len(names) != len(pixels):
            raise ValueError(f"`names` must be {len(pixels)}, one for each image, got {len(names)}")
        self.pixels = pixels
        self.labels = labels
        self.classes = list(classes)
        self.name = name
        self.names = [str(i) for i in range(len(pixels))] if names is None else list(names)

    def image_names(self) -> list[str]:
        return list(self.names)

    def read(self, index: int) -> Tensor:
        return self.pixels[index].contiguous()
