"""What a gallery of a report is."""

from __future__ import annotations

from typing import Literal, NamedTuple

Media = Literal["image/png", "image/jpeg", "image/webp"]


class Picture(NamedTuple):
    """A picture, ready to be put into a page.

    Attributes:
        title: a few words to show with it.
        alternative: what it shows, for readers who cannot see it: file, truth, predictions.
        image: the bytes of a file of type `media`.
        media: the type of the file.
    """

    title: str
    alternative: str
    image: bytes
    media: Media


class Gallery(NamedTuple):
    """Pictures under one heading.

    Attributes:
        title: of the heading.
        caption: what is shown, and how the images were chosen.
        pictures: in the order in which they are shown.
    """

    title: str
    caption: str
    pictures: list[Picture]
