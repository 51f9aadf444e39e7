"""How many pixels an image may have: a file of some bytes can claim to need all memory."""

from __future__ import annotations

from PIL import Image


def fits(height: int, width: int) -> bool:
    """Whether an image may have a size: up to twice ``PIL.Image.MAX_IMAGE_PIXELS`` pixels.

    That is 178,956,970. Whoever has larger images sets that number of PIL, or ``None`` for no
    limit; it holds for all formats here.

    Example:
        >>> fits(10_000, 15_000), fits(60_000, 60_000)
        (True, False)
    """
    limit = Image.MAX_IMAGE_PIXELS
    return limit is None or height * width <= 2 * limit


def check_size(height: int, width: int) -> None:
    """Refuses a size that a file claims, before memory is taken for it.

    Raises:
        ValueError: if it does not fit.

    Example:
        >>> check_size(60_000, 60_000)
        Traceback (most recent call last):
        ValueError: it claims 60000 x 60000 pixels, and more than 178,956,970 are refused; ...
    """
    if not fits(height, width):
        raise ValueError(
            f"it claims {width} x {height} pixels, and more than "
            f"{2 * (Image.MAX_IMAGE_PIXELS or 0):,} are refused; raise PIL.Image.MAX_IMAGE_PIXELS "
            "if it is right"
        )
