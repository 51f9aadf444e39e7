"""Masks in files: the ids that their pixels hold, and the class of each id.

Legend: C classes, H x W size of an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from instdisc.checks import whole
from instdisc.types import IGNORED_CLASS

from ..images.decoding import open_image

UNKNOWN = 254
MOST_IDS = 2**16
LOSSY_SUFFIXES = {".jpg", ".jpeg", ".webp"}
_LOSSY_FORMATS = ("JPEG", "MPO", "WEBP")
_SINGLE = ("1", "L", "P", "I")


def decode_ids(path: Path) -> np.ndarray:
    """The ids in a mask, ``(H, W)`` uint8 or uint16.

    A mask has one channel (grey, palette, black and white, or 16 bits), or is grey though it is
    stored in several: three equal colours, no transparency.

    Raises:
        ValueError: if it cannot be decoded, is in a lossy format, or holds colours or other ids
            than 0 to 65535; names the file.
    """
    with open_image(path, "mask") as opened:
        mode, form = opened.mode, opened.format
        pixels = np.array(opened) if form not in _LOSSY_FORMATS else np.empty(0)
    if form in _LOSSY_FORMATS:
        raise ValueError(
            f"the mask {path} must be in a format without loss, such as PNG, got {form}: "
            "compression changes ids"
        )
    if mode == "1":
        return pixels.astype(np.uint8)
    if mode in ("L", "P"):
        return pixels
    if mode == "I" or mode.startswith("I;16"):
        if pixels.min() < 0 or pixels.max() >= MOST_IDS:
            raise ValueError(
                f"the mask {path} must hold ids from 0 to {MOST_IDS - 1}, got {pixels.min()} to "
                f"{pixels.max()}"
            )
        return pixels.astype(np.uint16)
    grey = _grey(pixels, mode)
    if grey is None:
        raise ValueError(
            f"the mask {path} must hold one id per pixel (modes L, P, 1 or I;16), got mode "
            f"{mode!r}. Convert its colours to ids, e.g. with numpy, and save it as a grey PNG."
        )
    return grey


def is_single_channel(mode: str) -> bool:
    """Whether images of a mode of PIL hold one value per pixel."""
    return mode in _SINGLE or mode.startswith("I;16")


def class_table(num_classes: int, ids: Mapping[int, int] | None) -> np.ndarray:
    """``(65536,)`` uint8: the class of each id, 255 where ignored, 254 where unknown.

    Raises:
        TypeError: if an id or a class is no whole number.
        ValueError: if one is out of range.
    """
    if ids is None:
        ids = {**{index: index for index in range(num_classes)}, IGNORED_CLASS: IGNORED_CLASS}
    table = np.full(MOST_IDS, UNKNOWN, dtype=np.uint8)
    for value, to in ids.items():
        whole("ids", value, at_least=0, at_most=MOST_IDS - 1)
        whole("ids", to, at_least=0)
        if not (0 <= to < num_classes or to == IGNORED_CLASS):
            raise ValueError(
                f"`ids` must lead to a class, 0 to {num_classes - 1}, or to {IGNORED_CLASS} "
                f"(ignored), got {value} -> {to}"
            )
        table[value] = to
    return table


def as_ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as text.

    Example:
        >>> as_ranges([0, 1, 2, 5])
        '0-2, 5'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _grey(pixels: np.ndarray, mode: str) -> np.ndarray | None:
    """The one channel of what is grey and opaque; else ``None``."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or mode not in ("RGB", "RGBA", "LA"):
        return None
    if mode != "RGB" and (pixels[..., -1] != 255).any():
        return None
    first = pixels[..., 0]
    if mode != "LA" and not ((pixels[..., 1] == first) & (pixels[..., 2] == first)).all():
        return None
    return first.copy()
