"""Figures as SVG within a page: no address, no date, and no identifier that another figure has."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import matplotlib
from matplotlib.figure import Figure

_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # `None` leaves each out
# Verdana is as wide as matplotlib's own font, which Windows and macOS do not have.
_FONTS = ["DejaVu Sans", "Verdana", "sans-serif"]
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_ROUNDED = ("d", "points", "x", "y")  # a hundredth of a point is not seen
_PER_POINT = 4 / 3  # pixels of CSS


def inline_svg(figure: Figure, *, name: str, title: str, alternative: str) -> str:
    """A figure as an ``<svg>`` element, the same text each time.

    Every reference in it is to itself (``#...``) or holds its data (``data:``). Words stay text, so
    that they can be searched and copied.

    Args:
        figure: what to draw.
        name: precedes every ``id``; unique in the page.
        title: of the picture, for those who hear the page.
        alternative: what it shows, likewise.

    Example:
        >>> figure = Figure()
        >>> _ = figure.subplots().plot([1, 2], [3, 4])
        >>> inline_svg(figure, name="line", title="A line", alternative="It rises.")[:52]
        '<svg viewBox="0 0 460.8 345.6" role="img" aria-label'
    """
    root = ET.fromstring(_draw(figure, name))
    for parent in root.iter():
        for child in list(parent):
            # The style would hold for the page: it is set on this element, and inherited.
            if _plain(child.tag) in ("metadata", "style"):
                parent.remove(child)
    used = {name for element in root.iter() for name in _references(element)}
    for element in root.iter():
        element.tag = _plain(element.tag)
        element.text, element.tail = _words(element.text), _words(element.tail)
        element.attrib = {
            _plain(key): _value(_plain(key), value, name)
            for key, value in element.items()
            if key != "id" or value in used
        }
    width = float(root.attrib["viewBox"].split()[2]) * _PER_POINT
    heading = ET.Element("title", id=f"{name}-title")
    heading.text = title
    description = ET.Element("desc", id=f"{name}-desc")
    description.text = alternative
    root[:0] = [heading, description]
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{name}-title",
        "aria-describedby": f"{name}-desc",
        "style": f"width:{width:.0f}px;stroke-linejoin:round;stroke-linecap:butt",
    }
    return ET.tostring(root, encoding="unicode")


def _draw(figure: Figure, name: str) -> str:
    buffer = io.BytesIO()
    with matplotlib.rc_context(
        {"svg.hashsalt": name, "svg.fonttype": "none", "font.sans-serif": _FONTS}
    ):
        figure.savefig(buffer, format="svg", metadata=_METADATA)
    return buffer.getvalue().decode("utf-8")


def _plain(name: str) -> str:
    """A name without its namespace: within HTML an ``<svg>`` needs none."""
    return name.rpartition("}")[2]


def _references(element: ET.Element) -> list[str]:
    """The identifiers that an element refers to."""
    values = list(element.attrib.values())
    return [text for value in values for text in _REFERENCE.findall(value)] + [
        value[1:] for key, value in element.items() if _plain(key) == "href"
    ]


def _words(text: str | None) -> str | None:
    return text if text and not text.isspace() else None


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value[1:]}" if value.startswith("#") else value
    if key in _ROUNDED:
        return _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.2f}", value)
    return _REFERENCE.sub(rf"url(#{name}-\1)", value)
