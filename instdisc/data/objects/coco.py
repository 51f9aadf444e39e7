"""COCO's format: one JSON file for all images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from instdisc.types import Objects

from .files import ObjectFiles
from .outlines import PackedOutlines, pack_outline
from .table import make_table


class COCOObjects(ObjectFiles):
    """Boxes and masks from a file in COCO's format.

    The classes are the file's categories in the order of their ids; `category_ids` keeps the ids.
    Regions marked ``iscrowd`` are crowds: left out of training, ignored by the evaluation. Images
    without an object are kept.

    Args:
        annotations: the JSON file with ``images``, ``annotations`` and ``categories``.
        images: the folder that its file names are relative to; ``None`` to read no image.
        masks: whether to read the outlines: polygons, and run lengths of either kind. ``None``:
            if every object has one.
        name: for records and messages; ``None`` for the file's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if `annotations` is not a file, or `images` not a folder.
        ValueError: if the file is not COCO's, or an image of it is missing; if an annotation names
            an image or category that the file does not list; if a mask was made for another image
            size, or an object has none while `masks` is set; if a box is impossible, see
            `make_table`.

    Source:
        Lin et al., "Microsoft COCO: Common Objects in Context" (2014); masks by pycocotools.

    Example:
        >>> COCOObjects("/no/such/file.json")
        Traceback (most recent call last):
        FileNotFoundError: `annotations` must be a file in COCO's format, got '/no/such/file.json'
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path | None = None,
        *,
        masks: bool | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        file = Path(annotations)
        if not file.is_file():
            raise FileNotFoundError(
                f"`annotations` must be a file in COCO's format, got {str(annotations)!r}"
            )
        if images is not None and not Path(images).is_dir():
            raise FileNotFoundError(f"`images` must be a folder or None, got {str(images)!r}")
        name = file.stem if name is None else name
        try:
            content = json.loads(file.read_bytes())
            listed, found = content["images"], content["annotations"]
            categories = {one["id"]: one["name"] for one in content["categories"]}
            image_ids = [image["id"] for image in listed]
            sizes = torch.tensor([[image["height"], image["width"]] for image in listed])
            # Ground truth alone needs no file.
            paths = [image["file_name"] for image in listed] if images is not None else image_ids
            rows = _read_rows(found)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{file} is not in COCO's format: {error!r}") from error
        category_ids = sorted(categories)
        position = {one: index for index, one in enumerate(image_ids)}
        number = {one: index for index, one in enumerate(category_ids)}
        _check_ids(file, "image", rows["image"], position, rows["id"])
        _check_ids(file, "category", rows["category"], number, rows["id"])
        if len(position) < len(image_ids):
            raise ValueError(f"{file} lists {len(image_ids)} images with {len(position)} ids")
        own_images = np.array([position[one] for one in rows["image"]], dtype=np.int64)
        outlined = all(one.get("segmentation") for one in found)
        if masks and not outlined:
            bare = next(one["id"] for one in found if not one.get("segmentation"))
            raise ValueError(
                f"`masks`=True needs an outline of every object; annotation {bare} in {file} has "
                "no 'segmentation'. Pass masks=False to read the boxes."
            )
        read_masks = outlined if masks is None else masks
        outlines = _pack(file, found, own_images, sizes) if read_masks else []
        corner_size = np.array(rows["bbox"], dtype=np.float64).reshape(-1, 4)
        table, kept = make_table(
            name,
            own_images,
            np.concatenate([corner_size[:, :2], corner_size[:, :2] + corner_size[:, 2:]], axis=1),
            [number[one] for one in rows["category"]],
            sizes=sizes.reshape(-1, 2),
            image_ids=image_ids,
            extents=corner_size[:, 2:],
            crowd=rows["crowd"],
            areas=rows["area"],
            empty=np.array([not one for one in outlines], dtype=bool) if read_masks else None,
        )
        super().__init__(
            None if images is None else Path(images),
            [str(path) for path in paths],
            table,
            sizes=sizes,
            image_ids=image_ids,
            classes=[categories[one] for one in category_ids],
            category_ids=category_ids,
            name=name,
            listed_in=str(file),
            on_unreadable=on_unreadable,
        )
        self.masks = read_masks
        self._outlines = PackedOutlines([outlines[row] for row in kept]) if read_masks else None

    def objects(self, index: int) -> Objects:
        if self._outlines is None:
            return self._table.objects(index)
        height, width = self.sizes[index].tolist()
        masks = self._outlines.masks(self._table.rows(index), height, width)
        return self._table.objects(index, masks)


def _read_rows(found: list[dict[str, Any]]) -> dict[str, list[Any]]:
    boxes = [one["bbox"] for one in found]
    for one in found:
        if len(one["bbox"]) != 4:
            raise ValueError(f"the 'bbox' of annotation {one['id']} is {one['bbox']}")
    return {
        "id": [one["id"] for one in found],
        "image": [one["image_id"] for one in found],
        "category": [one["category_id"] for one in found],
        "bbox": boxes,
        "crowd": [bool(one.get("iscrowd", 0)) for one in found],
        "area": [one.get("area", box[2] * box[3]) for one, box in zip(found, boxes, strict=True)],
    }


def _check_ids(
    file: Path, what: str, named: list[Any], known: dict[Any, int], annotations: list[Any]
) -> None:
    unknown = [row for row, one in enumerate(named) if one not in known]
    if unknown:
        raise ValueError(
            f"every annotation in {file} must name a listed {what}; {len(unknown)} do not, first: "
            f"annotation {annotations[unknown[0]]} with {what}_id {named[unknown[0]]!r}"
        )


def _pack(
    file: Path, found: list[dict[str, Any]], images: np.ndarray, sizes: torch.Tensor
) -> list[bytes]:
    packed = []
    all_sizes = sizes.tolist()
    for one, image in zip(found, images.tolist(), strict=True):
        try:
            packed.append(pack_outline(one["segmentation"], *all_sizes[image]))
        except ValueError as error:
            raise ValueError(
                f"annotation {one['id']} of image {one['image_id']} in {file}: {error}"
            ) from error
    return packed
