"""Pictures as bytes: made smaller, laid side by side, with words.

Legend: K pictures, H x W size of a picture.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_QUALITY = 78  # of WebP
_TEXT = 14  # pixels
_LINE = 20
_GAP = 6
_BLACK, _WHITE, _GREY = (20, 20, 20), (255, 255, 255), (235, 235, 235)


def smaller(file: Path, size: tuple[int, int]) -> bytes:
    """A picture file as WebP, at most so large.

    Args:
        file: PNG, JPEG or WebP.
        size: width and height in pixels at most.
    """
    with Image.open(file) as opened:
        picture = _on_white(opened)
    picture.thumbnail(size, Image.Resampling.LANCZOS)
    return encoded(picture)


def as_file(pixels: np.ndarray, side: int) -> bytes:
    """An image as WebP whose longer side has so many pixels.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        side: in pixels.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = side / max(picture.size)
    size = (max(1, round(scale * picture.width)), max(1, round(scale * picture.height)))
    return encoded(picture.resize(size, Image.Resampling.BICUBIC))


def side_by_side(pictures: Sequence[bytes | None], words: Sequence[str], columns: int) -> bytes:
    """Pictures in rows, each under its words; all cells have one size.

    Args:
        pictures: K files; ``None`` leaves the cell empty.
        words: K lines of text, cut where they are too long.
        columns: cells of a row.
    """
    opened = [
        None if file is None else _on_white(Image.open(io.BytesIO(file))) for file in pictures
    ]
    width = max(picture.width for picture in opened if picture is not None)
    height = max(picture.height for picture in opened if picture is not None)
    columns = min(columns, len(opened))
    rows = -(-len(opened) // columns)
    size = (columns * (width + _GAP) - _GAP, rows * (_LINE + height + _GAP) - _GAP)
    canvas = Image.new("RGB", size, _WHITE)
    draw = ImageDraw.Draw(canvas)
    for place, (picture, text) in enumerate(zip(opened, words, strict=True)):
        x, y = place % columns * (width + _GAP), place // columns * (height + _LINE + _GAP)
        draw.text((x, y), _cut(text, width), _BLACK, _font())
        if picture is None:
            draw.rectangle((x, y + _LINE, x + width - 1, y + _LINE + height - 1), _GREY)
        else:
            canvas.paste(picture, (x, y + _LINE))
    return encoded(canvas)


def color_key(texts: Sequence[str], colors: Sequence[Sequence[int]], columns: int = 4) -> bytes:
    """A coloured square before each text.

    Args:
        texts: at least one.
        colors: of each, red, green and blue, 0 to 255.
        columns: of a row.
    """
    columns = min(columns, len(texts))
    shown = [_cut(text, 190) for text in texts]
    width = _LINE + _GAP + round(max(_font().getlength(text) for text in shown)) + 3 * _GAP
    rows = -(-len(shown) // columns)
    canvas = Image.new("RGB", (columns * width, rows * (_LINE + _GAP)), _WHITE)
    draw = ImageDraw.Draw(canvas)
    for place, (text, color) in enumerate(zip(shown, colors, strict=True)):
        x, y = place % columns * width, place // columns * (_LINE + _GAP)
        draw.rectangle((x, y + 2, x + 15, y + 17), tuple(int(part) for part in color), _BLACK)
        draw.text((x + _LINE + _GAP, y), text, _BLACK, _font())
    return encoded(canvas)


def encoded(picture: Image.Image) -> bytes:
    """As WebP."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY, method=4)
    return file.getvalue()


def _on_white(picture: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white."""
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    white = Image.new("RGBA", layer.size, (*_WHITE, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def _cut(text: str, width: float) -> str:
    """A text that fits into so many pixels."""
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


@functools.cache
def _font() -> ImageFont.FreeTypeFont:
    """That of matplotlib's figures: it comes with matplotlib on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), _TEXT)
