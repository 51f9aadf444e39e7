"""COCO's format: one JSON file for all images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

import numpy as np
import torch

from instdisc import checks
from instdisc.checks import refuse
from instdisc.types import Objects

from ..images.decoding import read_size
from ..images.listing import composed, leaves_folder
from ..left_out import say_left_out
from .coco_file import COCOFile, read_coco
from .coco_masks import fill_areas, pack_outlines, reads_masks
from .files import ObjectFiles
from .outlines import PackedOutlines
from .table import make_table


class COCOObjects(ObjectFiles):
    """Boxes and masks from a file in COCO's format.

    The classes are the file's categories in the order of their ids; `category_ids` keeps the ids.
    Regions marked ``iscrowd`` are crowds: left out of training, ignored by the evaluation. Images
    without an object are kept. Sizes that the file does not know (missing, 0, -1) come from the
    images. An ``area`` that cannot be one (null, text, 0 or less) is that of the mask, else of the
    box. The log counts both, and names the first.

    Args:
        annotations: the JSON file with ``images``, ``annotations`` and ``categories``.
        images: the folder that its file names are relative to, or several, of which the first
            counts that has the first image; ``None`` to read no image.
        masks: whether to read the outlines: polygons, and run lengths of either kind. ``None``:
            if every object but crowds has one; where only some lack one, a line in the log says
            that masks are not read. A crowd without an outline has its box for one.
        name: for records and messages; ``None`` for the file's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if `annotations` is not a file, or `images` not a folder.
        ValueError: if the file is not COCO's, or an image of it is missing or lies outside the
            folder by its path; if an annotation names
            an image or category that the file does not list; if a field cannot be read (see
            `read_coco`), an id or the name of a category is there twice, or a size is nowhere; if
            an outline is none (see `pack_outline`) or made for another image size, or an object
            has none while `masks` is set; if a box is impossible, see `make_table`.

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
        images: str | Path | Sequence[str | Path] | None = None,
        *,
        masks: bool | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(COCOObjects.__init__, locals())
        path = Path(annotations)
        if not path.is_file():
            raise FileNotFoundError(
                f"`annotations` must be a file in COCO's format, got {str(annotations)!r}"
            )
        places = [] if images is None else _folders(images)
        name = path.stem if name is None else name
        file = read_coco(path)
        folder, paths = _find_images(file, places)
        sizes = torch.tensor(_sizes(file, folder, paths, name)).reshape(-1, 2)
        read_masks = reads_masks(file, masks, name)
        outlines = pack_outlines(file, sizes, name) if read_masks else None
        table, kept = make_table(
            name,
            file.images,
            np.concatenate([file.boxes[:, :2], file.boxes[:, :2] + file.boxes[:, 2:]], axis=1),
            file.labels,
            sizes=sizes,
            image_ids=file.image_ids,
            extents=file.boxes[:, 2:],
            crowd=file.crowd,
            areas=fill_areas(file, sizes, outlines, name),
            where=file.where,
        )
        _say_twice(file, name)
        super().__init__(
            folder,
            paths,
            table,
            sizes=sizes,
            image_ids=file.image_ids,
            classes=file.classes,
            category_ids=file.category_ids,
            name=name,
            listed_in=str(path),
            on_unreadable=on_unreadable,
        )
        self.masks = read_masks
        self._outlines = (
            None if outlines is None else PackedOutlines([outlines[row] for row in kept])
        )

    def objects(self, index: int) -> Objects:
        if self._outlines is None:
            return self._table.objects(index)
        height, width = self.sizes[index].tolist()
        masks = self._outlines.masks(self._table.rows(index), height, width)
        return self._table.objects(index, masks)

    _tabled = objects

    def _outlines_of(self, rows: slice) -> tuple[bytes, ...]:
        return () if self._outlines is None else self._outlines.packed(rows)


def _folders(images: str | Path | Sequence[str | Path]) -> list[Path]:
    places = [Path(folder) for folder in ([images] if isinstance(images, str | Path) else images)]
    there = [place for place in places if place.is_dir()]
    if not there:
        raise FileNotFoundError(
            "`images` must be a folder or None, got "
            + ", ".join(repr(str(place)) for place in places)
        )
    return there


def _find_images(file: COCOFile, places: list[Path]) -> tuple[Path | None, list[str]]:
    if not places:
        # Ground truth alone needs no file.
        return None, [str(image_id) for image_id in file.image_ids]
    for name, image in zip(file.file_names, file.image_ids, strict=True):
        if not isinstance(name, str) or not name.strip():
            where = f"Correct image {image} in {file.path}, or pass `images`=None."
            refuse("file_name", "the file of the image", name, where)
        if leaves_folder(name):
            rule = f"a path below the folder of the images, {places[0]}"
            refuse("file_name", rule, name, f"Correct image {image} in {file.path}.")
    names = [str(name) for name in file.file_names]
    twice = _repeated(names)
    if twice:
        ids = [file.image_ids[row] for row in (names.index(names[twice[0]]), twice[0])]
        remedy = f"Make them one image in {file.path}."
        refuse(
            "file_name",
            f"of one image alone (here of {ids[0]} and {ids[1]})",
            names[twice[0]],
            remedy,
        )
    for place in places if names else []:
        if _file_in(place, names[0]) is not None:
            return place, [_file_in(place, name) or name for name in names]
    return places[0], names


def _file_in(folder: Path, name: str) -> str | None:
    """The path of an image in a folder; ``None`` if it is not there.

    Its own name may be written before it, with the slashes of Windows, and with accents of the
    other form, as macOS has them.
    """
    plain = name.replace("\\", "/")
    for spelling in (name, plain, plain.removeprefix(f"{folder.name}/")):
        forms = (
            [spelling]
            if spelling.isascii()
            else [spelling, composed(spelling), normalize("NFD", spelling)]
        )
        for form in forms:
            if (folder / form).is_file():
                return form
    return None


def _say_twice(file: COCOFile, name: str) -> None:
    say_left_out(
        _repeated(file.annotation_ids),
        f"{name}: %d annotations have an id that another one has, and count all the same, first: ",
        file.where,
    )


def _repeated(values: Sequence[Any]) -> list[int]:
    seen: set[Any] = set()
    rows = []
    for row, value in enumerate(values):
        if isinstance(value, int | str):
            if value in seen:
                rows.append(row)
            seen.add(value)
    return rows


def _sizes(
    file: COCOFile, folder: Path | None, paths: list[str], name: str
) -> list[tuple[int, int]]:
    sizes: list[tuple[int, int]] = []
    unknown = []
    for row, (height, width) in enumerate(file.sizes):
        if height is None or width is None:
            if folder is None:
                remedy = f"Correct image {file.image_ids[row]} in {file.path}, or pass `images`."
                refuse("height and width", "known", (height, width), remedy)
            height, width = read_size(folder / paths[row])
            unknown.append(row)
        sizes.append((height, width))
    say_left_out(
        unknown,
        f"{name}: %d images have no size in {file.path} and get that of their file, first: image ",
        lambda row: str(file.image_ids[row]),
    )
    return sizes
