"""The fields of COCO's format as tools write them: numbers as text, sizes as 64.0, null."""

from __future__ import annotations

import math
import re
from typing import Any

from instdisc.checks import refuse

from .polygons import all_finite_numbers

_FLAGS = {0: False, 1: True, None: False, "0": False, "1": True, "false": False, "true": True}
_NUMBERS = {int, float}


def read_id(name: str, value: Any, where: str) -> int | str:
    """A number or a text that names something; 2, 2.0 and "2" are the same.

    Args:
        name: of the field.
        value: of the field.
        where: what to correct, for the message.

    Raises:
        ValueError: if it is neither.

    Example:
        >>> read_id("id", "2", "image 2"), read_id("id", 2.0, "image 2"), read_id("id", "02", "")
        (2, 2, '02')
    """
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip():
        text = value.strip()
        return int(text) if re.fullmatch(r"0|-?[1-9]\d*", text) else text
    refuse(name, "a whole number or a text", value, f"Correct {where}.")


def read_side(name: str, value: Any, where: str) -> int | None:
    """Pixels of a side of an image; ``None`` where the file does not know: null, 0 or -1.

    Raises:
        ValueError: if it is no whole number.
    """
    number = _number(value)
    if value is None or (number is not None and number <= 0):
        return None
    if number is None or not number.is_integer():
        refuse(name, "a whole number of pixels", value, f"Correct {where}.")
    return int(number)


def read_box(value: Any, where: str) -> list[float]:
    """Left, top, width and height.

    Raises:
        ValueError: if it is something else, or its size is negative.
    """
    remedy = f"Correct {where}."
    if type(value) is not list or len(value) != 4 or not set(map(type, value)) <= _NUMBERS:
        refuse("bbox", "four numbers: left, top, width, height", value, remedy)
    if not all_finite_numbers(value):
        refuse("bbox", "finite", value, remedy)
    if value[2] < 0 or value[3] < 0:
        refuse("bbox", "of a width and a height of at least 0", value, remedy)
    return value


def read_crowd(value: Any, where: str) -> bool:
    """Whether ``iscrowd`` says so; null and a missing field do not.

    Raises:
        ValueError: if it is neither 0 nor 1.
    """
    key = value.strip().lower() if isinstance(value, str) else value
    if isinstance(key, list | dict) or key not in _FLAGS:
        refuse("iscrowd", "0 or 1", value, f"Correct {where}.")
    return _FLAGS[key]


def read_area(value: Any) -> float | None:
    """Pixels of an object; ``None`` for what cannot be one: null, text, a list, 0 or less."""
    number = _number(value)
    return number if number is not None and number > 0 else None


def read_name(value: Any, where: str) -> str:
    """The name of a category, without spaces around it; a number is its digits.

    Raises:
        ValueError: if there is none.
    """
    if type(value) is int:
        return str(value)
    if not isinstance(value, str) or not value.strip():
        refuse("name", "the name of a category", value, f"Correct {where}.")
    return value.strip()


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
