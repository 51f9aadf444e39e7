"""Small pictures of test images that tasks keep for a report.

Legend: K pictures, T colours, H x W size of an image.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks

NUM_SHOWN = 6  # images of a dense task
THUMBNAIL = 224  # pixels
_LARGEST = 512
_QUALITY = 80  # of WebP


def thumbnail_side(name: str, side: int) -> int:
    """A rule: the side of a small picture in pixels, 0 for none."""
    return checks.whole(name, side, at_least=0, at_most=_LARGEST)


def encode_picture(image: Tensor, longest: int) -> np.ndarray:
    """An image as the bytes of a WebP file; a larger one is made smaller.

    Args:
        image: ``(3, H, W)`` uint8 RGB.
        longest: side in pixels at most.

    Returns:
        ``(bytes,)`` uint8.

    Example:
        >>> file = encode_picture(torch.zeros(3, 40, 80, dtype=torch.uint8), 20)
        >>> Image.open(io.BytesIO(file.tobytes())).size
        (20, 10)
    """
    pixels = Image.fromarray(resized(image, longest).permute(1, 2, 0).cpu().numpy())
    file = io.BytesIO()
    pixels.save(file, "WEBP", quality=_QUALITY, method=4)
    return np.frombuffer(file.getvalue(), np.uint8)


def resized(image: Tensor, longest: int, *, enlarge: bool = False) -> Tensor:
    """An image whose longer side has at most so many pixels.

    Args:
        image: ``(3, H, W)`` uint8.
        longest: side in pixels.
        enlarge: whether a smaller image gets that size, too.
    """
    scale = picture_scale(image.shape[1], image.shape[2], longest, enlarge=enlarge)
    if scale == 1:
        return image
    size = [max(1, round(scale * side)) for side in image.shape[1:]]
    smooth = F.interpolate(
        image[None].float(), size, mode="bilinear", antialias=True, align_corners=False
    )
    return smooth[0].round().clamp(0, 255).to(torch.uint8)


def picture_scale(height: int, width: int, longest: int, *, enlarge: bool = True) -> float:
    """By what a side is multiplied so that the longer one has `longest` pixels."""
    scale = longest / max(height, width)
    return scale if enlarge else min(1.0, scale)


def spread_order(names: Sequence[str]) -> list[int]:
    """Positions of all images in an order that depends on their names alone.

    Two runs, on any machine and with any method, show the same images of a set.

    Args:
        names: of the images.

    Example:
        >>> spread_order(["a", "b", "c"]) == spread_order(["a", "b", "c"])
        True
    """
    digests = [hashlib.sha256(str(name).encode()).digest() for name in names]
    return sorted(range(len(digests)), key=digests.__getitem__)


def picture_columns(
    names: Sequence[str],
    truths: Sequence[tuple[Tensor, str]],
    predictions: Sequence[tuple[Tensor, str]],
    longest: int,
    key: Mapping[str, Sequence[int]],
) -> dict[str, Any]:
    """Pictures as columns for `save_predictions`.

    Args:
        names: of K images.
        truths: of each its picture ``(3, H, W)`` uint8 with what is annotated, and that in words.
        predictions: likewise what was predicted.
        longest: side of a picture in pixels.
        key: what the colours stand for, each red, green and blue, 0 to 255.

    Returns:
        ``shown``, the names; ``shown_truth`` and ``shown_prediction``, WebP files one after the
        other, with their ``_ends``; ``shown_truth_words`` and ``shown_prediction_words``;
        ``shown_key``, texts, and ``shown_colors (T, 3)`` uint8.
    """
    return {
        "shown": list(names),
        "shown_truth": [encode_picture(picture, longest) for picture, _ in truths],
        "shown_prediction": [encode_picture(picture, longest) for picture, _ in predictions],
        "shown_truth_words": [words for _, words in truths],
        "shown_prediction_words": [words for _, words in predictions],
        "shown_key": list(key),
        "shown_colors": np.array(list(key.values()), np.uint8).reshape(-1, 3),
    }
