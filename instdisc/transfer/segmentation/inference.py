"""Logits of whole images, at once or window by window.

Legend: B batch, C classes, H x W size of an image, h x w size of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call

Predict = Callable[[Tensor], Tensor]  # (B, 3, H, W) to (B, C, H, W)


def image_logits(
    predict: Predict,
    images: Tensor,
    *,
    short_side: int | None = None,
    interpolation: str = "bilinear",
    window: tuple[int, int] | None = None,
    window_step: tuple[int, int] = (1, 1),
) -> Tensor:
    """The logits of images at their size, from images that may be seen at another.

    Args:
        predict: logits of images.
        images: ``(B, 3, H, W)``, normalised.
        short_side: at how many pixels of it they are seen; ``None``: as they are.
        interpolation: of that.
        window: h and w of `sliding_logits`; ``None`` for the whole image at once.
        window_step: of `sliding_logits`.

    Returns:
        ``(B, C, H, W)``.

    Example:
        >>> import torch
        >>> image_logits(lambda part: part[:, :2], torch.ones(1, 3, 4, 6), short_side=8).shape
        torch.Size([1, 2, 4, 6])
    """
    size = (images.shape[2], images.shape[3])
    if short_side is not None:
        scale = short_side / min(size)
        resized = [max(1, round(side * scale)) for side in size]
        images = F.interpolate(images, resized, mode=interpolation, antialias=True)
    if window is None:
        logits = predict(images)
    else:
        logits = sliding_logits(predict, images, window, window_step)
    if logits.shape[2:] != size:
        logits = F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)
    return logits


@checked_call(window=checks.whole, step=checks.whole)
def sliding_logits(
    predict: Predict, images: Tensor, window: tuple[int, int], step: tuple[int, int]
) -> Tensor:
    """The mean of the logits of all windows that show a pixel.

    Windows begin every `step` pixels; the last ones are moved inwards to end with the image. An
    image that is smaller than the window is one window.

    Args:
        predict: logits of a part of the images.
        images: ``(B, 3, H, W)``.
        window: h and w.
        step: pixels down and across from one window to the next, at most h and w.

    Returns:
        ``(B, C, H, W)`` float32.

    Raises:
        ValueError: if a step is not positive or leaves pixels between two windows.

    Example:
        >>> import torch
        >>> images = torch.rand(1, 3, 7, 10)
        >>> mean = sliding_logits(lambda part: part[:, :2], images, (4, 4), (3, 2))
        >>> torch.allclose(mean, images[:, :2])
        True
    """
    checks.dtype("images", checks.shape("images", images, ("B", "C", "H", "W")), checks.FLOATS)
    if not images.numel():
        checks.refuse("images", "of at least one image and one pixel", images)
    if any(down > side for down, side in zip(step, window, strict=True)):
        checks.refuse("step", f"at most the `window`, {tuple(window)}", tuple(step))
    height, width = images.shape[2:]
    total: Tensor | None = None
    counts = images.new_zeros(1, 1, height, width, dtype=images.dtype)
    for top in window_starts(height, window[0], step[0]):
        for left in window_starts(width, window[1], step[1]):
            part = (..., slice(top, top + window[0]), slice(left, left + window[1]))
            logits = predict(images[part]).float()
            if total is None:
                total = logits.new_zeros(len(images), logits.shape[1], height, width)
            total[part] += logits
            counts[part] += 1
    assert total is not None
    return total / counts


def window_starts(length: int, window: int, step: int) -> list[int]:
    """Where windows begin along one axis.

    Example:
        >>> window_starts(10, 4, 4), window_starts(3, 4, 4)
        ([0, 4, 6], [0])
    """
    last = max(0, length - window)
    starts = list(range(0, last, step))
    return [*starts, last]


def window_sizes(
    window: int | Sequence[int] | None, step: int | Sequence[int] | None
) -> tuple[Any, Any]:
    """Window and step, each as height and width, or both ``None``.

    Args:
        window: a side, or height and width; ``None`` for no windows.
        step: likewise; ``None`` for two thirds of the window.

    Raises:
        ValueError: if a side is not positive, or the windows miss pixels.

    Example:
        >>> window_sizes(6, None)
        ((6, 6), (4, 4))
    """
    if window is None:
        if step is not None:
            raise ValueError(f"`window_step` needs `window`, got {step} without it")
        return None, None
    sides: Any = (window, window) if isinstance(window, int) else tuple(window)
    if len(sides) != 2 or min(sides) < 1:
        raise ValueError(f"`window` must be a positive side, or height and width, got {window}")
    if step is None:
        step = [max(1, side * 2 // 3) for side in sides]
    steps: Any = (step, step) if isinstance(step, int) else tuple(step)
    check_window(sides, steps)
    return sides, steps


def check_window(window: tuple[int, int], step: tuple[int, int]) -> None:
    """Refuses windows that miss pixels.

    Raises:
        ValueError: if a step is not positive or larger than the window.
    """
    if not all(0 < s <= w for s, w in zip(step, window, strict=True)):
        raise ValueError(
            f"`window_step` must be positive and at most the window {window}, got {step}"
        )
