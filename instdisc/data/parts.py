"""How the parts of a split are called: by folders, files, and the column ``split`` of a table."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .images.columns import column_names, read_columns
from .layout import TEST_FOLDERS, TRAIN_FOLDERS, Part

# Of a test part the first that is there: that of validation where there is no other.
PART_NAMES = {"train": TRAIN_FOLDERS, "val": TEST_FOLDERS[2:], "test": TEST_FOLDERS}


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
    values = {value.lower(): value for _, (value,) in read_columns(table, ["split"])}
    return values[spelled(values, part, f"the column 'split' of {table}")]
