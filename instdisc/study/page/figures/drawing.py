"""A figure of the page as a file: vectors on white, legible on a light and a dark page."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.figure import Figure

from instdisc.report.charts.style import COLOURS, GREY, MARKERS, Style
from instdisc.report.page.vector import inline_svg

from ..material import Study

_NAMESPACE = '<svg xmlns="http://www.w3.org/2000/svg" '
_WEAK = "_weak"
_LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))


class Drawing(NamedTuple):
    """A figure with its words.

    Attributes:
        title: a few words.
        caption: what is shown.
        alternative: the gist, for readers who do not see it.
        figure: made without pyplot.
    """

    title: str
    caption: str
    alternative: str
    figure: Figure

    def svg(self, name: str) -> str:
        """The figure as a file, the same text each time.

        Args:
            name: precedes every ``id``.
        """
        text = inline_svg(self.figure, name=name, title=self.title, alternative=self.alternative)
        return text.replace("<svg ", _NAMESPACE, 1) + "\n"


def method_styles(study: Study) -> dict[str, Style]:
    """A style for each method: one without colours looks like the one with them, but hollow.

    Args:
        study: for its methods.
    """
    styles: dict[str, Style] = {}
    full = [name for name in study.methods if not name.endswith(_WEAK) and name != "random"]
    for place, name in enumerate(full):
        styles[name] = Style(
            COLOURS[place % len(COLOURS)],
            MARKERS[place % len(MARKERS)],
            _LINES[(place + place // len(COLOURS)) % len(_LINES)],
        )
    for name in study.methods:
        if name not in styles:
            base = styles.get(name.removesuffix(_WEAK))
            styles[name] = base or Style(GREY, "p", (0, (1, 1.5)))
    return {name: styles[name] for name in study.methods}


def is_hollow(method: str) -> bool:
    """Whether the markers of a method are empty.

    Example:
        >>> is_hollow("moco_weak"), is_hollow("moco")
        (True, False)
    """
    return method.endswith(_WEAK)
