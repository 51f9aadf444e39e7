"""Charts as a page embeds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..charts import Chart
from .vector import inline_svg


class Drawing(NamedTuple):
    """A chart within the page.

    Attributes:
        name: for links, unlike that of any other part of the page.
        title: of its heading.
        caption: below it.
        drawing: an ``<svg>`` element.
    """

    name: str
    title: str
    caption: str
    drawing: str


def draw_charts(charts: Sequence[Chart]) -> list[Drawing]:
    """Charts as SVG elements, in their order.

    Args:
        charts: of the report.
    """
    drawings = []
    for number, chart in enumerate(charts, start=1):
        name = f"figure-{number}-{re.sub('[^a-z0-9]+', '-', chart.name.lower())}"
        drawing = inline_svg(
            chart.figure, name=f"figure{number}", title=chart.title, alternative=chart.alternative
        )
        drawings.append(Drawing(name, chart.title, chart.caption, drawing))
    return drawings
