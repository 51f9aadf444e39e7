"""Images and points that a table lists."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import torch

from ..images.tables import column_names, read_columns
from .layouts import FACE_5, FACE_68, LandmarkLayout
from .source import LandmarkFiles

_BOX = ("left", "top", "right", "bottom")
_USUAL = {5: FACE_5, 68: FACE_68}


class LandmarkTable(LandmarkFiles):
    r"""Images and points as listed in a CSV file.

    The first row names the columns: ``image``, the path; for each point two columns side by side
    that have the same name but for an ``x`` and a ``y`` in it (``x0,y0``, ``nose_x,nose_y``); and
    if there are face boxes, ``left``, ``top``, ``right``, ``bottom`` in the same pixels as the
    points. Other columns are an error, but for the one of `only`.

    Args:
        root: the folder that the paths in the table are relative to; ``None`` for the table's own.
        table: the file: columns parted by commas, in ``.tsv`` by tabs.
        layout: what the points are; ``None`` takes `FACE_5` for 5 points and `FACE_68` for 68.
        offset: is added to all positions: 0.5 where the file counts the centres of the pixels, as
            annotations of whole numbers do; 0 where it counts from the image's edge.
        only: a column and the value that it must have: ``("split", "train")``.
        name: for records and messages; ``None`` for the table's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if there is no such table or folder.
        ValueError: if the columns are others, a row misses a value or has one that is no number,
            or names an image that is missing: then it names the line; if no row is left, or
            `layout` does not fit; and from `LandmarkFiles`.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from instdisc.data import LandmarkLayout
        >>> root = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (8, 6)).save(root / "1.png")
        >>> _ = (root / "eyes.csv").write_text("image,x0,y0,x1,y1\n1.png,2,3,5,3\n")
        >>> eyes = LandmarkLayout(("left", "right"), ((0, 1),), ((0,), (1,)))
        >>> LandmarkTable(None, root / "eyes.csv", layout=eyes).points(0)
        tensor([[2.5000, 3.5000, 1.0000],
                [5.5000, 3.5000, 1.0000]])
    """

    def __init__(
        self,
        root: str | Path | None,
        table: str | Path,
        *,
        layout: LandmarkLayout | None = None,
        offset: float = 0.5,
        only: tuple[str, str] | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        table = Path(table)
        root = table.parent if root is None else Path(root)
        if not table.is_file():
            raise FileNotFoundError(f"`table` must be a CSV file, got {str(table)!r}")
        if not root.is_dir():
            raise FileNotFoundError(f"`root` must be the folder of the images, got {str(root)!r}")
        columns = _columns(table, None if only is None else only[0])
        num_points = (len(columns) - len(_BOX) * ("left" in columns)) // 2
        if layout is None:
            if num_points not in _USUAL:
                raise ValueError(
                    f"`layout` must be given for {num_points} points: None is for "
                    f"{' or '.join(map(str, _USUAL))}"
                )
            layout = _USUAL[num_points]
        wanted = ["image", "image" if only is None else only[0], *columns]
        paths, numbers = [], []
        for line, (path, value, *texts) in read_columns(table, wanted):
            if only is not None and value != only[1]:
                continue
            if not path:
                raise ValueError(f"line {line} of {table} has no image")
            if not (root / path).is_file():
                raise ValueError(f"line {line} of {table} names {path!r}, which is not in {root}")
            cells = zip(columns, texts, strict=True)
            numbers.append([_number(column, text, line, table) for column, text in cells])
            paths.append(path)
        if not paths:
            raise ValueError(f"{table} lists no image" + f" with {only}" * (only is not None))
        found = torch.tensor(numbers, dtype=torch.float64) + offset
        super().__init__(
            root,
            paths,
            found[:, : 2 * num_points].unflatten(1, (num_points, 2)),
            layout,
            boxes=found[:, 2 * num_points :] if "left" in columns else None,
            name=table.stem if name is None else name,
            on_unreadable=on_unreadable,
        )


def _columns(table: Path, only: str | None) -> list[str]:
    """The columns of the points, then those of the box."""
    names = [name for name in column_names(table) if name not in ("image", only)]
    boxed = [name for name in _BOX if name in names]
    if boxed and len(boxed) < len(_BOX):
        raise ValueError(f"{table.name} must have all of the columns {_BOX} or none, got {boxed}")
    points = [name for name in names if name not in _BOX]
    for place in range(0, len(points), 2):
        pair = points[place : place + 2]
        if len(pair) < 2 or not _is_pair(*pair):
            raise ValueError(
                f"{table.name} must have an x and a y of each point side by side, got the "
                f"column{'s' * (len(pair) > 1)} {', '.join(map(repr, pair))}"
            )
    if not points:
        raise ValueError(f"{table.name} has no columns of points, such as x0, y0")
    return points + boxed


def _is_pair(x: str, y: str) -> bool:
    x, y = x.lower(), y.lower()
    return any(
        letter == "x" and y == f"{x[:place]}y{x[place + 1 :]}" for place, letter in enumerate(x)
    )


def _number(column: str, text: str, line: int, table: Path) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        said = f"is {text!r}" if text else "is missing"
        raise ValueError(
            f"line {line} of {table}: the value of {column!r} {said}; it must be a number of pixels"
        )
    return number
