"""Keeps a page below its size: what is made smaller or left out, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..gallery import Gallery
from .pictures import embed_galleries
from .render import render

LARGEST = 5_000_000  # bytes of a page
_SIDES = ((1024, "at most 1,024 px"), (480, "at most 480 px"), (240, "at most 240 px"))
Content = dict[str, Any]


def render_within(content: Content, galleries: Sequence[Gallery], *, largest: int = LARGEST) -> str:
    """The page, with as much as fits.

    In this order: pictures become JPEG files of at most 1,024, 480 and 240 px; galleries are left
    out from the last; the tables of every number, which stand in the files beside the page; figures
    from the last. The page says what was done.

    Args:
        content: of the page, with all galleries.
        galleries: these, as they were made.
        largest: bytes below which the page stays.

    Raises:
        ValueError: if the page is too large without all of these.
    """
    text = render(content)
    for change, notice in _steps(content, galleries):
        if len(text.encode("utf-8")) < largest:
            return text
        # Of several notices of one kind the last counts.
        kind = notice.split(":")[0]
        notices = [n for n in content["notices"] if n.split(":")[0] != kind]
        content = {**content, **change, "notices": [*notices, notice]}
        text = render(content)
    if len(text.encode("utf-8")) >= largest:
        raise ValueError(
            f"`results` must make a page below {largest:,} bytes, got {len(text):,} characters "
            "without pictures, figures and the tables of every number. Report fewer files at once."
        )
    return text


def _steps(content: Content, galleries: Sequence[Gallery]) -> Iterator[tuple[Content, str]]:
    """What changes in the content, and the sentence that says so."""
    if content["galleries"]:
        for side, words in _SIDES:
            shown = embed_galleries(galleries, side)
            notice = f"Pictures are smaller than they were made: {words}, to keep the page small."
            yield {"galleries": shown}, notice
        for left in range(len(shown) - 1, -1, -1):
            names = ", ".join(gallery.title for gallery in shown[left:])
            yield {"galleries": shown[:left]}, f"Pictures left out to keep the page small: {names}."
    notice = "Tables left out to keep the page small: every number is in the files beside it."
    yield {"families": [], "pair_tables": []}, notice
    charts = content["charts"]
    for left in range(len(charts) - 1, -1, -1):
        names = ", ".join(chart.title for chart in charts[left:])
        yield {"charts": charts[:left]}, f"Figures left out to keep the page small: {names}."
