"""Galleries as a page embeds them, and made smaller where the page would be too large."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from ..gallery import Gallery

_QUALITY = 80


class ShownPicture(NamedTuple):
    """A picture within the page.

    Attributes:
        title: below it.
        alternative: for those who do not see it.
        media: its type.
        data: the file in base64.
        width: in pixels.
        height: likewise.
    """

    title: str
    alternative: str
    media: str
    data: str
    width: int
    height: int


class ShownGallery(NamedTuple):
    """Pictures under one heading; `name` is for links."""

    name: str
    title: str
    caption: str
    pictures: list[ShownPicture]


def embed_galleries(galleries: Sequence[Gallery], side: int | None = None) -> list[ShownGallery]:
    """Galleries with their pictures as text.

    Args:
        galleries: as they were made.
        side: of the longer side in pixels at most, as JPEG; ``None`` leaves the files as they are.
    """
    shown = []
    for number, gallery in enumerate(galleries, start=1):
        pictures = []
        for picture in gallery.pictures:
            image, media = picture.image, str(picture.media)
            if side is not None:
                image, media = _smaller(image, media, side)
            with Image.open(io.BytesIO(image)) as opened:
                width, height = opened.size
            data = base64.b64encode(image).decode("ascii")
            pictures.append(
                ShownPicture(picture.title, picture.alternative, media, data, width, height)
            )
        if pictures:
            shown.append(
                ShownGallery(f"gallery-{number}", gallery.title, gallery.caption, pictures)
            )
    return shown


def _smaller(image: bytes, media: str, side: int) -> tuple[bytes, str]:
    with Image.open(io.BytesIO(image)) as opened:
        reduced = opened.convert("RGB")
    reduced.thumbnail((side, side))
    buffer = io.BytesIO()
    reduced.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    smaller = buffer.getvalue()
    return (smaller, "image/jpeg") if len(smaller) < len(image) else (image, media)
