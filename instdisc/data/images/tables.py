"""Images that a table lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from instdisc import checks

from .columns import read_columns, require_asked
from .files import ImageFiles
from .listed import ListedFiles


class ImageTable(ImageFiles):
    r"""Images and labels as listed in a CSV file.

    The first row names the columns. Classes are the different labels of the whole table, sorted,
    as numbers if all are whole numbers. Paths may be written with the separators of Windows.

    Args:
        root: the folder that the paths in the table are relative to; ``None`` for the table's own.
        table: the file: columns parted by commas, in ``.tsv`` by tabs; see `read_columns`.
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
            is too short or too long, is not in UTF-8, has no label or one that is not in `classes`,
            or names an image that is missing or that another row names too: then it names the row.

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
        checks.arguments(ImageTable.__init__, locals())
        table = Path(table)
        root = table.parent if root is None else Path(root)
        if not table.is_file():
            raise FileNotFoundError(f"`table` must be a CSV file, got {str(table)!r}")
        if not root.is_dir():
            raise FileNotFoundError(f"`root` must be the folder of the images, got {str(root)!r}")
        asked = {"image": image, "label": label, **({} if only is None else {"only": only[0]})}
        require_asked(table, asked)
        columns = [image, label, label if only is None else only[0]]
        rows = [_Row(line, *values) for line, values in read_columns(table, columns)]
        listed = ListedFiles(root, table)
        for row in rows:
            if not row.image or not row.label:
                raise ValueError(
                    f"line {row.line} of {table} has no {image if not row.image else label}"
                )
            listed.add(row.line, row.image)  # of the other parts too: none may be in two
        classes = sorted_classes({row.label for row in rows}) if classes is None else list(classes)
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
        super().__init__(
            root,
            [listed.find(row.line, row.image) for row in rows],
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


def sorted_classes(names: set[str]) -> list[str]:
    """Different labels in order: as numbers if all are whole numbers.

    Example:
        >>> sorted_classes({"10", "9"}), sorted_classes({"10", "9", "a"})
        (['9', '10'], ['10', '9', 'a'])
    """
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
