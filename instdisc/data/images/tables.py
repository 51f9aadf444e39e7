"""Images that a table lists."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO

import torch

from .files import ImageFiles


class ImageTable(ImageFiles):
    r"""Images and labels as listed in a CSV file.

    The first row names the columns. Classes are the different labels of the whole table, sorted,
    as numbers if all are whole numbers.

    Args:
        root: the folder that the paths in the table are relative to; ``None`` for the table's own.
        table: the file: columns parted by commas, in ``.tsv`` by tabs.
        image: the column with the paths.
        label: the column with the names of the classes.
        classes: the names of the classes in their order, if it is to be another one, or if the
            table does not have all of them.
        only: a column and the value that it must have: ``("split", "train")``.
        name: for records and messages; ``None`` for the table's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if there is no such table or folder.
        ValueError: if a column is missing, `classes` has a name twice, or no row is left; if a row
            is too short or too long, has no label or one that is not in `classes`, or names an
            image that is missing or that another row names too: then it names the row.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (8, 6)).save(root / "1.png")
        >>> _ = (root / "pets.csv").write_text("image,label\n1.png,cat\n")
        >>> table = ImageTable(root, root / "pets.csv")
        >>> table.classes, table.labels.tolist()
        (['cat'], [0])
    """

    def __init__(
        self,
        root: str | Path | None,
        table: str | Path,
        *,
        image: str = "image",
        label: str = "label",
        classes: Sequence[str] | None = None,
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
        columns = [image, label, label if only is None else only[0]]
        rows = [_Row(line, *values) for line, values in read_columns(table, columns)]
        for row in rows:
            if not row.image or not row.label:
                raise ValueError(
                    f"line {row.line} of {table} has no {image if not row.image else label}"
                )
        classes = _sorted_classes({row.label for row in rows}) if classes is None else list(classes)
        if len(set(classes)) < len(classes):
            raise ValueError(f"`classes` must be different names, got {classes}")
        number = {name: index for index, name in enumerate(classes)}
        for row in rows:
            if row.label not in number:
                raise ValueError(
                    f"the label of line {row.line} of {table} must be one of the {len(classes)} "
                    f"`classes` ({', '.join(classes[:5])}{', ...' * (len(classes) > 5)}), got "
                    f"{row.label!r}"
                )
        if only is not None:
            values = sorted({row.value for row in rows})
            rows = [row for row in rows if row.value == only[1]]
            if not rows:
                raise ValueError(
                    f"`only` must be a value of the column {only[0]!r} of {table} "
                    f"({', '.join(values[:10])}), got {only[1]!r}"
                )
        if not rows:
            raise ValueError(f"{table} lists no image")
        _check_images(root, table, rows)
        super().__init__(
            root,
            [row.image for row in rows],
            torch.tensor([number[row.label] for row in rows]),
            classes=classes,
            name=table.stem if name is None else name,
            on_unreadable=on_unreadable,
        )


class _Row(NamedTuple):
    line: int
    image: str
    label: str
    value: str  # of the column that `only` names


def column_names(table: Path) -> list[str]:
    """The names in the first row of a CSV file; none if it is empty."""
    with table.open(encoding="utf-8-sig", newline="") as lines:
        return [name.strip() for name in next(_reader(table, lines), [])]


def read_columns(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The line and the values of some columns of each row of a CSV file; empty rows are passed.

    Raises:
        ValueError: if a column is missing, or a row has more or fewer columns than the first.
    """
    with table.open(encoding="utf-8-sig", newline="") as lines:
        reader = _reader(table, lines)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise ValueError(
                f"{table.name} has no column {missing[0]!r}; its first line has "
                f"{', '.join(map(repr, header[:10])) or 'none'}"
            )
        places = [header.index(name) for name in columns]
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ValueError(
                    f"line {reader.line_num} of {table.name} has {len(row)} columns instead of "
                    f"{len(header)}"
                )
            yield reader.line_num, [row[place].strip() for place in places]


def _reader(table: Path, lines: TextIO) -> Any:
    return csv.reader(lines, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")


def _sorted_classes(names: set[str]) -> list[str]:
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _check_images(root: Path, table: Path, rows: Sequence[_Row]) -> None:
    present: dict[str, set[str]] = {}  # one look into each folder
    lines: dict[str, int] = {}
    for line, path, *_ in rows:
        folder, name = os.path.split(path)
        if folder not in present:
            inner = root / folder
            present[folder] = set(os.listdir(inner)) if inner.is_dir() else set()
        if name not in present[folder]:
            raise ValueError(f"line {line} of {table} names {path!r}, which is not in {root}")
        if path in lines:
            raise ValueError(
                f"line {line} of {table} names {path!r} again, after line {lines[path]}"
            )
        lines[path] = line
