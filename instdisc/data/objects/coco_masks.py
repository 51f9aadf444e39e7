"""Outlines and areas of the annotations in a file of COCO's format.

Legend: N images, M annotations.
"""

from __future__ import annotations

import numpy as np
import torch

from ..left_out import say_left_out
from .coco_file import COCOFile
from .outlines import Outline, outline_area, pack_outline
from .polygons import is_blank


def reads_masks(file: COCOFile, masks: bool | None, name: str) -> bool:
    """Whether to read the outlines; a line in the log says if some objects lack one.

    Raises:
        ValueError: if `masks` is set and an object other than a crowd has none; counts them.
    """
    if masks is False:
        return False
    bare = np.array([is_blank(segmentation) for segmentation in file.segmentations], dtype=bool)
    lacking = np.flatnonzero(bare & ~file.crowd)
    if masks and len(lacking):
        raise ValueError(
            f"`masks`=True needs an outline of every object; {len(lacking)} of {len(bare)} have no "
            f"'segmentation', first: {file.where(int(lacking[0]))}. Pass masks=False to read the "
            "boxes."
        )
    if masks or not bare.any():
        return True
    if not bare.all():
        say_left_out(
            lacking,
            f"{name}: masks are not read, since %d of {len(bare)} objects have no outline (give "
            "them one, or open with masks=False), first: ",
            file.where,
        )
    return not len(lacking) and not bare.all()


def pack_outlines(file: COCOFile, sizes: torch.Tensor, name: str) -> list[bytes]:
    """M outlines as `pack_outline` gives them; a crowd without one has its box.

    Raises:
        ValueError: if one cannot be read; names the file and the annotation.
    """
    packed: list[bytes] = []
    bare, pieces = [], []
    all_sizes = sizes.tolist()
    for row, (segmentation, image) in enumerate(
        zip(file.segmentations, file.images.tolist(), strict=True)
    ):
        try:
            outline = pack_outline(segmentation, *all_sizes[image])
        except ValueError as error:
            raise ValueError(
                f"{file.where(row)}: {error}. Correct it, or read the boxes alone by masks=False."
            ) from error
        if not outline.data:  # of a crowd
            left, top, width, height = file.boxes[row].tolist()
            right, bottom = left + width, top + height
            box = [left, top, right, top, right, bottom, left, bottom]
            outline = Outline(pack_outline([box], *all_sizes[image]).data)
            bare.append(row)
        if outline.left_out:
            pieces.append(row)
        packed.append(outline.data)
    say_left_out(
        bare,
        f"{name}: %d crowds have no outline, and get their box for one, first: ",
        file.where,
    )
    say_left_out(
        pieces,
        f"{name}: %d outlines have pieces of fewer than three points, which are left out, first: ",
        file.where,
    )
    return packed


def fill_areas(
    file: COCOFile, sizes: torch.Tensor, outlines: list[bytes] | None, name: str
) -> np.ndarray:
    """``(M,)`` areas; those that the file has not are of the masks, else of the boxes."""
    say_left_out(
        file.wrong_areas,
        f"{name}: %d objects have an impossible 'area', and get that of their "
        f"{'box' if outlines is None else 'mask'}, first: ",
        file.where,
    )
    areas = file.areas.copy()
    for row in np.flatnonzero(np.isnan(areas)).tolist():
        if outlines is None:
            areas[row] = file.boxes[row, 2] * file.boxes[row, 3]
        else:
            areas[row] = outline_area(outlines[row], *sizes[file.images[row]].tolist())
    return areas
