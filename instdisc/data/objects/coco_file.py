"""What a file in COCO's format says, checked field by field.

Legend: N images, M annotations, C categories.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from instdisc.checks import refuse

from .coco_fields import read_area, read_box, read_crowd, read_id, read_name, read_side


class COCOFile(NamedTuple):
    """One file.

    Attributes:
        path: of the file.
        image_ids: N, as the file has them.
        file_names: N; ``None`` where there is none.
        sizes: N pairs of height and width; ``None`` where the file does not know one.
        classes: C names in the order of their ids.
        category_ids: C.
        annotation_ids: M, for messages.
        images: ``(M,)`` position of the image of each annotation.
        labels: ``(M,)`` position of its category.
        boxes: ``(M, 4)`` left, top, width, height.
        crowd: ``(M,)``.
        areas: ``(M,)``; NaN where the file says none, or what cannot be one.
        wrong_areas: the annotations of the second kind.
        segmentations: M, unread.
    """

    path: Path
    image_ids: list[int | str]
    file_names: list[str | None]
    sizes: list[tuple[int | None, int | None]]
    classes: list[str]
    category_ids: list[int]
    annotation_ids: list[Any]
    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    wrong_areas: list[int]
    segmentations: list[Any]

    def where(self, row: int) -> str:
        """An annotation, for messages."""
        return (
            f"annotation {self.annotation_ids[row]} of image "
            f"{self.image_ids[self.images[row]]} in {self.path}"
        )


def read_coco(path: Path) -> COCOFile:
    """Reads a file.

    Raises:
        ValueError: if it is not COCO's, or a field is neither right nor can mean but one thing;
            names the file and the image, category or annotation.
    """
    content = _load(path)
    listed, categories, annotations = (
        _rows(path, content, name) for name in ("images", "categories", "annotations")
    )
    images, sizes = [], []
    for row, image in enumerate(listed):
        images.append(read_id("id", image.get("id"), f"image number {row + 1} in {path}"))
        where = f"image {images[-1]} in {path}"
        height, width = (read_side(side, image.get(side), where) for side in ("height", "width"))
        sizes.append((height, width))
    image_at = _positions(path, "image", images, [record.get("file_name") for record in listed])
    numbers, names = [], []
    for row, category in enumerate(categories):
        where = f"category number {row + 1} in {path}"
        number = read_id("id", category.get("id"), where)
        if not isinstance(number, int):
            refuse("id", "a whole number", number, f"Correct {where}.")
        numbers.append(number)
        names.append(read_name(category.get("name"), f"category {number} in {path}"))
    name_of = {
        category_id: names[at]
        for category_id, at in _positions(path, "category", numbers, names).items()
    }
    category_ids = sorted(numbers)
    _refuse_twice(path, category_ids, name_of)
    ids = [record.get("id", f"number {row + 1}") for row, record in enumerate(annotations)]
    raw_images = _ids(path, "image", annotations, ids)
    raw_categories = _ids(path, "category", annotations, ids)
    number_at: dict[Any, int] = {category_id: at for at, category_id in enumerate(category_ids)}
    _check_listed(path, "image", raw_images, image_at, ids)
    _check_listed(path, "category", raw_categories, number_at, ids)
    shown = [_as_written(record["id"]) for record in listed]
    file = COCOFile(
        path,
        shown,
        [record.get("file_name") for record in listed],
        sizes,
        [name_of[category_id] for category_id in category_ids],
        category_ids,
        ids,
        np.array([image_at[image_id] for image_id in raw_images], dtype=np.int64),
        np.array([number_at[category_id] for category_id in raw_categories], dtype=np.int64),
        *(np.zeros(0),) * 3,
        wrong_areas=[],
        segmentations=[record.get("segmentation") for record in annotations],
    )
    areas = [read_area(record.get("area")) for record in annotations]
    return file._replace(
        boxes=np.array(
            _column(annotations, "bbox", read_box, file.where), dtype=np.float64
        ).reshape(-1, 4),
        crowd=np.array(_column(annotations, "iscrowd", read_crowd, file.where), dtype=bool),
        areas=np.array([np.nan if area is None else area for area in areas], dtype=np.float64),
        wrong_areas=[
            row
            for row, (record, area) in enumerate(zip(annotations, areas, strict=True))
            if area is None and "area" in record
        ],
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not in COCO's format: it is not in UTF-8. Save it as UTF-8."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path} is not in COCO's format: it is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} is not in COCO's format: it must hold 'images', 'annotations' and "
            f"'categories', got a {type(content).__name__}"
        )
    return content


def _rows(path: Path, content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = content.get(name)
    if not isinstance(rows, list):
        got = "none" if name not in content else repr(rows)[:60]
        raise ValueError(f"{path} is not in COCO's format: it must have a list {name!r}, got {got}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            refuse(name, "objects with fields", row, f"Correct number {number} of them in {path}.")
    return rows


def _column(
    rows: Sequence[dict[str, Any]],
    name: str,
    read: Callable[[Any, str], Any],
    where: Callable[[int], str],
) -> list[Any]:
    values = []
    for number, row in enumerate(rows):
        value = row.get(name)
        try:
            values.append(read(value, ""))
        except ValueError:
            read(value, where(number))  # again, with the words that cost time
    return values


def _ids(
    path: Path, what: str, annotations: list[dict[str, Any]], ids: list[Any]
) -> list[int | str]:
    field = f"{what}_id"
    values: list[int | str] = []
    for row, record in enumerate(annotations):
        value = record.get(field)
        # Most are plain numbers, of which a large set has a million.
        plain = type(value) is int
        values.append(
            value if plain else read_id(field, value, f"annotation {ids[row]} in {path}")  # type: ignore[arg-type]
        )
    return values


def _positions(path: Path, what: str, ids: list[Any], names: list[Any]) -> dict[Any, int]:
    positions: dict[Any, int] = {}
    for row, key in enumerate(ids):
        if key in positions:
            raise ValueError(
                f"`id` must be of one {what} alone, got {key} for {names[positions[key]]!r} and "
                f"{names[row]!r}. Correct {path}."
            )
        positions[key] = row
    return positions


def _refuse_twice(path: Path, ids: list[int], names: dict[int, str]) -> None:
    seen: dict[str, int] = {}
    for category_id in ids:
        if names[category_id] in seen:
            raise ValueError(
                f"`name` must be of one category alone, got {names[category_id]!r} for the ids "
                f"{seen[names[category_id]]} and {category_id}. Rename one, or make both one "
                f"category, in {path}."
            )
        seen[names[category_id]] = category_id


def _check_listed(
    path: Path,
    what: str,
    named: list[int | str],
    listed: dict[Any, int],
    annotations: list[Any],
) -> None:
    unknown = [row for row, key in enumerate(named) if key not in listed]
    if unknown:
        raise ValueError(
            f"every annotation in {path} must name a listed {what}; {len(unknown)} do not, first: "
            f"annotation {annotations[unknown[0]]} with {what}_id {named[unknown[0]]!r}"
        )


def _as_written(value: Hashable) -> int | str:
    assert isinstance(value, int | float | str)
    return value if isinstance(value, str) else int(value)
