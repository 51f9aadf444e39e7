"""What a file in PASCAL VOC's format says."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

from instdisc.checks import refuse

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FLAGS = {"": False, "0": False, "false": False, "no": False, "unspecified": False} | {
    "1": True,
    "true": True,
    "yes": True,
}
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*?encoding=[\"']([\w.-]+)[\"'][^>]*\?>")


class VOCThing(NamedTuple):
    """One object.

    Attributes:
        name: of its class.
        corners: xmin, ymin, xmax, ymax as in the file.
        difficult: whether it is marked so.
    """

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool


class VOCFile(NamedTuple):
    """One file.

    Attributes:
        path: of it.
        image: the file of the image that it names; ``""`` for none.
        size: height and width; ``None`` where the file does not know.
        things: the objects.
    """

    path: Path
    image: str
    size: tuple[int, int] | None
    things: list[VOCThing]


def read_voc(path: Path) -> VOCFile:
    """Reads a file: with or without a namespace, in any encoding that it declares.

    Raises:
        ValueError: if it is not VOC's, or an object has not one name and one box; names the file.
    """
    try:
        root = _parse(path.read_bytes())
        for node in root.iter():
            # A namespace, and <Object> for <object>, mean nothing else.
            node.tag = str(node.tag).rpartition("}")[2].lower()
        if root.tag != "annotation":
            raise ValueError(f"it must begin with <annotation>, got <{root.tag}>")
        boxes = sum(1 for node in root.iter() if node.tag in ("object", "bndbox"))
        objects = root.findall("object")
        if boxes and not objects:
            raise ValueError("its <object>s must stand right below <annotation>")
        image = (root.findtext("filename") or "").strip()
        things = [_thing(node) for node in objects]
        return VOCFile(path, image, _size(root), things)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ValueError(f"{path} is not an annotation in VOC's format: {error}") from error


def _parse(content: bytes) -> ElementTree.Element:
    declared = _DECLARATION.match(content)
    if declared is None:
        return ElementTree.fromstring(content.lstrip(b" \t\r\n"))
    try:
        return ElementTree.fromstring(content.lstrip(b" \t\r\n"))
    except ValueError:  # expat knows no encoding of several bytes but Unicode's
        text = content[declared.end() :].decode(declared[1].decode())
        return ElementTree.fromstring(text)


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    sides = []
    for side in ("height", "width"):
        text = (root.findtext(f"size/{side}") or "0").strip() or "0"
        number = float(text)
        if not number.is_integer():
            refuse(side, "a whole number of pixels", text)
        sides.append(int(number))
    return (sides[0], sides[1]) if min(sides) > 0 else None


def _thing(node: ElementTree.Element) -> VOCThing:
    # Only direct children: a person's <part> has a name and a box too.
    names, boxes = node.findall("name"), node.findall("bndbox")
    if len(names) != 1 or len(boxes) != 1 or not (names[0].text or "").strip():
        raise ValueError(
            f"each <object> must have one <name> and one <bndbox>, got {len(names)} and "
            f"{len(boxes)}{', and no text in <name>' if names else ''}"
        )
    name = str(names[0].text).strip()
    corners: dict[str, float] = {}
    for side in boxes[0]:  # by their names: their order is not the same in all files
        if side.tag in corners:
            raise ValueError(f"the <bndbox> of {name!r} has two <{side.tag}>")
        if side.tag in _CORNERS:
            corners[side.tag] = _number(side, name)
    missing = [corner for corner in _CORNERS if corner not in corners]
    if missing:
        raise ValueError(f"the <bndbox> of {name!r} has no <{missing[0]}>")
    mark = (node.findtext("difficult") or "").strip().lower()
    if mark not in _FLAGS:
        refuse("difficult", "0 or 1", mark)
    left, top, right, bottom = (corners[corner] for corner in _CORNERS)
    return VOCThing(name, (left, top, right, bottom), _FLAGS[mark])


def _number(node: ElementTree.Element, name: str) -> float:
    try:
        return float(node.text or "")
    except ValueError:
        raise ValueError(
            f"<{node.tag}> of {name!r} must be a number of pixels, got {node.text!r}"
        ) from None
