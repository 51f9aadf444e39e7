"""A figure with the words that go with it."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.figure import Figure


class Chart(NamedTuple):
    """A figure of a report, and the texts that a page prints around it.

    Attributes:
        name: in lower case with hyphens, for links and file names; no two charts of a report
            share it.
        title: a few words; the figure itself has none.
        caption: what is shown, and what the intervals are.
        alternative: the gist in numbers, for readers who do not see the figure.
        figure: 3.2 to 9 inches wide, made without pyplot.
    """

    name: str
    title: str
    caption: str
    alternative: str
    figure: Figure
