"""PASCAL VOC, and any folder in its layout."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image

from ..catalog.layout import contents, first_folder
from ..images.files import SUFFIXES
from .files import ObjectFiles
from .table import make_table

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)


class VOCObjects(ObjectFiles):
    """Boxes in the layout of PASCAL VOC: one XML file for each image.

    ============================  ================================================================
    ``Annotations/000005.xml``    size of the image; name, box and flags of each object
    ``JPEGImages/000005.jpg``     the image, of any usual format
    ``ImageSets/Main/test.txt``   names of the images of a split, one on each line
    ============================  ================================================================

    The file counts pixels from 1, and the last pixel belongs to the box: ``xmin`` 48 to ``xmax``
    195 are the pixels 47 to 194 here, so left = 47 and right = 195. Objects marked as difficult
    are trained on, and ignored by the evaluation, as the benchmark does.

    Args:
        root: the folder with ``Annotations``.
        split: a file in ``ImageSets/Main`` without its ending; ``None`` for all annotated images.
        classes: names of the classes in the order of their numbers; ``None`` for the 20 of VOC in a
            folder called ``VOC2007`` or the like, and elsewhere for all names in ``Annotations``,
            sorted.
        one_based: whether the file counts as VOC does; ``False`` for a tool that writes corners
            counted from 0, which are then taken as they are.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if `root` is not a folder.
        ValueError: if a folder, split, annotation or image is missing, an annotation is not VOC's,
            a name is not in `classes`, or a box is impossible; see `make_table`.

    Source:
        Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge" (2010); the boxes as
        detectron2 reads them.

    Example:
        >>> VOCObjects("/no/such/folder", "test")
        Traceback (most recent call last):
        FileNotFoundError: `root` must be the folder with Annotations/, got '/no/such/folder'
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = "trainval",
        *,
        classes: Sequence[str] | None = None,
        one_based: bool = True,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        root = Path(root)
        if not root.is_dir():
            raise FileNotFoundError(
                f"`root` must be the folder with Annotations/, got {str(root)!r}"
            )
        name = root.resolve().name if name is None else name
        xml_folder = first_folder(root, ["Annotations", "annotations"])
        image_folder = first_folder(root, ["JPEGImages", "images"])
        xml_names = {path.stem for path in xml_folder.iterdir() if path.suffix.lower() == ".xml"}
        ids = sorted(xml_names) if split is None else _read_split(root, split)
        if classes is None and re.fullmatch(r"VOC20\d\d", root.resolve().name):
            classes = VOC_CLASSES
        # Every file where the classes are asked for: both splits must number them alike.
        wanted = ids if classes is not None else sorted(xml_names.union(ids))
        parsed = {one: _parse(xml_folder / f"{one}.xml") for one in wanted}
        if classes is None:
            classes = sorted({thing.name for one in parsed.values() for thing in one.things})
        number = {category: index for index, category in enumerate(classes)}
        files = {p.stem: p.name for p in image_folder.iterdir() if p.suffix.lower() in SUFFIXES}
        missing = [one for one in ids if one not in files]
        if missing:
            raise ValueError(
                f"{len(missing)} of the {len(ids)} annotated images of {name!r} are not in "
                f"{image_folder}, {missing[0]!r} first"
            )
        sizes, images, things = [], [], []
        for index, one in enumerate(ids):
            sizes.append(parsed[one].size or _size_of_file(image_folder / files[one]))
            images += [index] * len(parsed[one].things)
            things += parsed[one].things
        unknown = [row for row, thing in enumerate(things) if thing.name not in number]
        if unknown:
            raise ValueError(
                f"every object of {name!r} must be of one of the {len(number)} `classes`; "
                f"{things[unknown[0]].name!r} in {ids[images[unknown[0]]]}.xml is not"
            )
        corners = np.array([thing.corners for thing in things], dtype=np.float64).reshape(-1, 4)
        if one_based and len(corners) and corners[:, :2].min() < 1:
            row = int(corners[:, :2].min(1).argmin())
            raise ValueError(
                f"`one_based` must be False for boxes that are counted from 0, as those of "
                f"{name!r} seem to be: {ids[images[row]]}.xml has (xmin, ymin) = "
                f"({corners[row, 0]:g}, {corners[row, 1]:g}), and VOC's first pixel is (1, 1)"
            )
        table, _ = make_table(
            name,
            images,
            corners - [1, 1, 0, 0] if one_based else corners,
            [number[thing.name] for thing in things],
            sizes=torch.tensor(sizes).reshape(-1, 2),
            image_ids=ids,
            extents=corners[:, 2:] - corners[:, :2],
            difficult=[thing.difficult for thing in things],
        )
        super().__init__(
            image_folder,
            [files[one] for one in ids],
            table,
            sizes=torch.tensor(sizes).reshape(-1, 2),
            image_ids=ids,
            classes=classes,
            category_ids=range(1, len(classes) + 1),
            name=name,
            listed_in=str(xml_folder if split is None else _split_file(root, split)),
            on_unreadable=on_unreadable,
        )


class _Thing(NamedTuple):
    name: str
    corners: tuple[float, float, float, float]  # xmin, ymin, xmax, ymax as in the file
    difficult: bool


class _Annotation(NamedTuple):
    size: tuple[int, int] | None  # height, width; None where the file does not say
    things: list[_Thing]


def _parse(path: Path) -> _Annotation:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(
            f"there is no annotation {path}, which the split names; an image without objects "
            "needs a file too, with no <object>"
        ) from None
    try:
        tree = ElementTree.fromstring(content)
        height, width = (int(tree.findtext(f"size/{side}") or 0) for side in ("height", "width"))
        things = [_parse_thing(thing) for thing in tree.iterfind("object")]
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not an annotation in VOC's format: {error}") from error
    return _Annotation((height, width) if height and width else None, things)


def _parse_thing(thing: Any) -> _Thing:
    # Only direct children: a person's <part> has a name and a box too.
    name, box = thing.findtext("name"), thing.find("bndbox")
    if not name or box is None:
        raise ValueError("an <object> has no <name> or no <bndbox>")
    # By their names: their order is not the same in all files.
    corner = {side.tag: float(side.text) for side in box}
    return _Thing(
        name.strip(),
        (corner["xmin"], corner["ymin"], corner["xmax"], corner["ymax"]),
        (thing.findtext("difficult") or "0").strip() == "1",
    )


def _split_file(root: Path, split: str) -> Path:
    return root / "ImageSets" / "Main" / f"{split}.txt"


def _read_split(root: Path, split: str) -> list[str]:
    file = _split_file(root, split)
    if not file.is_file():
        there = contents(file.parent) if file.parent.is_dir() else "no such folder"
        raise ValueError(
            f"`split` must be a file in {file.parent} or None for all images, got {split!r}; "
            f"found {there}"
        )
    names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return [name for name in names if name]


def _size_of_file(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as opened:
            return opened.height, opened.width
    except OSError as error:
        raise ValueError(f"cannot read the image {path}: {error}") from error
