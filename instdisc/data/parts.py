"""How the parts of a split are called: by folders, files, and the column ``split`` of a table."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .images.columns import column_names, read_columns
from .layout import TEST_FOLDERS, TRAIN_FOLDERS, Part
from .left_out import say_left_out

# Of a test part the first that is there: that of validation where there is no other.
PART_NAMES = {"train": TRAIN_FOLDERS, "val": TEST_FOLDERS[2:], "test": TEST_FOLDERS}
_SPLITS = {*TRAIN_FOLDERS, *TEST_FOLDERS}


def spelled(names: Collection[str], part: Part, whose: str) -> str:
    """What some names call a part.

    Args:
        names: in small letters.
        part: ``"train"``, ``"val"`` or ``"test"``.
        whose: for the message.

    Raises:
        ValueError: if they do not name it.

    Example:
        >>> spelled(["training", "val"], "test", "pets.csv")
        'val'
    """
    for name in PART_NAMES[part]:
        if name in names:
            return name
    raise ValueError(f"{whose} must name {part!r} for `part`={part!r}, it has {', '.join(names)}")


def split_value(table: Path, part: Part) -> str | None:
    """What the column ``split`` of a table calls a part; ``None`` if there is no such column.

    Raises:
        ValueError: if the column does not name the part.
    """
    if "split" not in column_names(table):
        return None
    lines = [(line, value) for line, (value,) in read_columns(table, ["split"])]
    others = [row for row, (_, value) in enumerate(lines) if value.lower() not in _SPLITS]
    say_left_out(
        others,
        f"{table}: %d rows are neither to train on nor to test on by the column 'split' and are "
        "left out, first: ",
        lambda row: f"line {lines[row][0]}, {lines[row][1]!r}",
    )
    values = {value.lower(): value for _, value in lines}
    return values[spelled(values, part, f"the column 'split' of {table}")]
