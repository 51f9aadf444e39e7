"""Images and points that a table lists.

Legend: N images, P points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from instdisc import checks

from ..images.columns import column_names, read_columns, require_asked
from ..images.listed import ListedFiles
from ..left_out import say_left_out
from .columns import PointColumns, order_points, point_columns
from .layouts import FACE_5, FACE_68, LandmarkLayout
from .source import LandmarkFiles
from .values import Missing, check_values, image_sizes, parse_missing, parse_number

Unit = Literal["pixel", "share"]
_USUAL = {5: FACE_5, 68: FACE_68}


class LandmarkTable(LandmarkFiles):
    r"""Images and points as listed in a CSV file.

    The first row names the columns, in any order: ``image``, the path; for each point two columns
    whose names differ in an ``x`` and a ``y`` alone (``x0,y0``, ``nose_x,nose_y``); and if there
    are face boxes, ``left``, ``top``, ``right``, ``bottom`` in the same unit as the points. A
    column ``visible0`` or ``nose_v`` of each point says that it is not there (0) or there (1, 2).
    Other columns are passed over, with one line in the log. Several rows may name one image, with
    other points: each is a face. Points that have the names of the layout's, or numbers, are taken
    in the layout's order; others in that of the table.

    A point with a negative position lies outside its image and counts as not visible: so does one
    at -1,-1, as many tables write "not there". How a table writes it otherwise, `missing` says.

    Args:
        root: the folder that the paths in the table are relative to; ``None`` for the table's own.
        table: the file: columns parted by commas, in ``.tsv`` by tabs; see `read_columns`.
        image: the column with the paths.
        layout: what the points are; ``None`` takes `FACE_5` for 5 points and `FACE_68` for 68.
        unit: of the numbers: ``"pixel"``, or ``"share"`` of the image's width and height. ``None``
            is pixels, and refuses a table whose points all lie in 0 to 1.
        offset: is added to all positions in pixels: 0.5 where the file counts the centres of the
            pixels, as annotations of whole numbers do; 0 where it counts from the image's edge.
            ``None`` is 0.5 for pixels, 0 for shares.
        missing: how the table writes that a point is not there: ``"0,0"`` or another pair of
            numbers, ``"empty"`` for empty cells and NaN, or several of them. ``None`` refuses
            empty cells and points at 0,0; ``()`` says that a point at 0,0 is there.
        ignore: columns that are neither points nor boxes although their names look so.
        only: a column and the value that it must have: ``("split", "train")``.
        name: for records and messages; ``None`` for the table's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if there is no such table or folder.
        ValueError: if a column is missing or has no partner; a row misses a value or has one that
            is no number, or names an image that is missing, that another row names with the same
            numbers, or that a row of another part names: then it names the line; if no row is
            left, the numbers look like shares of the image or like points that are not there, or
            `layout` does not fit; and from `LandmarkFiles`.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from instdisc.data import LandmarkLayout
        >>> root = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (8, 6)).save(root / "1.png")
        >>> _ = (root / "eyes.csv").write_text("image,x0,y0,x1,y1\n1.png,2,3,,\n")
        >>> eyes = LandmarkLayout(("left", "right"), ((0, 1),), ((0,), (1,)))
        >>> LandmarkTable(None, root / "eyes.csv", layout=eyes, missing="empty").points(0)
        tensor([[ 2.5000,  3.5000,  1.0000],
                [-1.0000, -1.0000, 0.0000]])
    """

    def __init__(
        self,
        root: str | Path | None,
        table: str | Path,
        *,
        image: str = "image",
        layout: LandmarkLayout | None = None,
        unit: Unit | None = None,
        offset: float | None = None,
        missing: str | Sequence[str] | None = None,
        ignore: Sequence[str] = (),
        only: tuple[str, str] | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(LandmarkTable.__init__, locals())
        table = Path(table)
        root = table.parent if root is None else Path(root)
        absent = parse_missing(missing)
        if not table.is_file():
            raise FileNotFoundError(f"`table` must be a CSV file, got {str(table)!r}")
        if not root.is_dir():
            raise FileNotFoundError(f"`root` must be the folder of the images, got {str(root)!r}")
        require_asked(table, {"image": image, **({} if only is None else {"only": only[0]})})
        columns = _columns(table, image, {*ignore, *(() if only is None else only[:1])})
        layout = _layout(layout, len(columns.points), table)
        rows = _Rows(root, table, image, columns, layout, absent, only)
        numbers = torch.tensor(rows.numbers, dtype=torch.float64)  # (N, 2 P + P + 4)
        num_cells = 2 * len(columns.points)
        points = numbers[:, :num_cells].unflatten(1, (-1, 2))
        where = [f"line {n} of {table}" for n in rows.lines]
        flags = numbers[:, num_cells : num_cells + len(columns.visible)]
        there = check_values(points, flags, absent, unit, where)
        boxes = numbers[:, -4:] if columns.box else None
        if unit == "share":
            sizes = image_sizes(root, rows.paths, skip=on_unreadable == "skip")
            points = points * sizes[:, None]
            boxes = None if boxes is None else boxes * sizes.repeat(1, 2)
        shift = (0.0 if unit == "share" else 0.5) if offset is None else offset
        points = torch.where(there[..., None], points + shift, torch.nan)
        super().__init__(
            root,
            rows.paths,
            torch.cat([points, there[..., None]], 2),
            layout,
            boxes=None if boxes is None else boxes + shift,
            name=table.stem if name is None else name,
            on_unreadable=on_unreadable,
        )


class _Rows:
    """The rows of a table: their lines, paths, and numbers, the points in the layout's order."""

    def __init__(
        self,
        root: Path,
        table: Path,
        image: str,
        columns: PointColumns,
        layout: LandmarkLayout,
        absent: Missing,
        only: tuple[str, str] | None,
    ) -> None:
        order = order_points([stem for stem, _, _ in columns.points], layout)
        cells = [cell for place in order for cell in columns.points[place][1:]]
        flags = [columns.visible[place] for place in order] if columns.visible else []
        wanted = [image, image if only is None else only[0], *cells, *flags, *columns.box]
        listed = ListedFiles(root, table)
        parts: dict[int, str] = {}
        again: list[str] = []
        self.lines: list[int] = []
        self.paths: list[str] = []
        self.numbers: list[list[float]] = []
        for line, (path, value, *texts) in read_columns(table, wanted):
            if not path:
                raise ValueError(f"line {line} of {table} has no image")
            row = [
                parse_number(column, text, f"line {line} of {table}", absent)
                for column, text in zip(wanted[2:], texts, strict=True)
            ]
            box = row[len(cells) + len(flags) :]
            if any(math.isnan(number) for number in box):
                raise ValueError(f"line {line} of {table} must have all numbers of the box")
            # Several faces of one image differ in their points; so do two opinions on one face.
            first = listed.add(line, path, repr(row))
            if parts.setdefault(first, value) != value and only is not None:
                raise ValueError(
                    f"line {line} of {table} names {path!r} for {value!r}, and line {first} for "
                    f"{parts[first]!r}. Leave one of them out."
                )
            if only is not None and value != only[1]:
                continue
            self.lines.append(line)
            self.paths.append(listed.find(line, path))
            if first != line:
                again.append(path)
            self.numbers.append(row)
        say_left_out(
            range(len(again)),
            f"{table}: %d rows name an image that another row names with other points; each row "
            "counts as a face, first: ",
            lambda row: again[row],
        )
        if not self.paths:
            raise ValueError(f"{table} lists no image" + f" with {only}" * (only is not None))


def _columns(table: Path, image: str, passed: set[str]) -> PointColumns:
    names = column_names(table)
    try:
        columns = point_columns([name for name in names if name not in {image, *passed}])
    except ValueError as error:
        raise ValueError(f"{table.name}: {error}") from error
    say_left_out(
        range(len(columns.others)),
        f"{table}: %d columns are neither points nor boxes and are passed over, first: ",
        lambda row: repr(columns.others[row]),
    )
    return columns


def _layout(layout: LandmarkLayout | None, num_points: int, table: Path) -> LandmarkLayout:
    if layout is not None or num_points in _USUAL:
        return _USUAL[num_points] if layout is None else layout
    raise ValueError(
        f"`layout` must be given for the {num_points} points of {table}: None is for "
        f"{' or '.join(map(str, _USUAL))}. In Python: layout=LandmarkLayout(names, flip_pairs, "
        "eyes); on the command line: --data.layout "
        "'{names: [a, b, ...], flip_pairs: [[0, 1]], eyes: [[0], [1]]}'"
    )
