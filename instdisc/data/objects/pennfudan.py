"""Penn-Fudan pedestrians: each image with a map of its people.

Legend: M people of an image, H x W size of an image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.types import Objects

from ..catalog.layout import first_folder, require_folder
from ..images.contents import Keys, as_keys, file_keys, hash_parts
from ..images.decoding import open_image, read_size
from ..images.files import SUFFIXES
from .files import ObjectFiles
from .folders import files_by_stem
from .table import make_table


class PennFudan(ObjectFiles):
    """Pedestrians with masks; it has no official split, see `split_objects`.

    ==================================  ==========================================================
    ``PNGImages/PennPed00001.png``      the image (``JPEGImages`` for a copy of another format)
    ``PedMasks/PennPed00001_mask.png``  0 where there is nobody, and a number for each person
    ==================================  ==========================================================

    The boxes are those around the masks. Any set in this layout can be read.

    Args:
        root: the folder with ``PedMasks``.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if `root` is not a folder.
        ValueError: if a folder or an image is missing, two images have one name, an image has no
            map, a map cannot be read, or is of another size than its image.

    Source:
        Wang et al., "Object Detection Combining Recognition and Segmentation" (2007).

    Example:
        >>> PennFudan("/no/such/folder")
        Traceback (most recent call last):
        FileNotFoundError: `root` must be the folder with PedMasks/, got '/no/such/folder'
    """

    def __init__(
        self,
        root: str | Path,
        *,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(PennFudan.__init__, locals())
        root = Path(root)
        if not root.is_dir():
            raise FileNotFoundError(f"`root` must be the folder with PedMasks/, got {str(root)!r}")
        image_folder = first_folder(root, ["PNGImages", "JPEGImages"])
        self._maps = require_folder(root, "PedMasks")
        by_stem = files_by_stem(image_folder, SUFFIXES)
        several = next((names for names in by_stem.values() if len(names) > 1), None)
        if several:
            raise ValueError(f"{image_folder} must hold an image once, got {', '.join(several)}")
        files = {stem: names[0] for stem, names in by_stem.items()}
        maps = {
            stem.removesuffix("_mask")
            for stem in files_by_stem(self._maps, {".png"})
            if stem.endswith("_mask")
        }
        odd = sorted(maps.symmetric_difference(files))
        if odd:
            lacks = "image" if odd[0] in maps else "map of its people"
            raise ValueError(
                f"{image_folder} and {self._maps} must hold the same images; {odd[0]!r} has no "
                f"{lacks}, and so {len(odd) - 1} others"
            )
        ids = sorted(files)
        images: list[int] = []
        boxes: list[tuple[int, int, int, int]] = []
        areas: list[int] = []
        sizes = []
        for index, image_id in enumerate(ids):
            numbered = _read_map(self._map_of(image_id))
            sizes.append(read_size(image_folder / files[image_id]))
            if sizes[-1] != numbered.shape:
                raise ValueError(
                    f"{self._map_of(image_id)} has {numbered.shape[1]} x {numbered.shape[0]} "
                    f"pixels and its image {sizes[-1][1]} x {sizes[-1][0]}: a mask must be as "
                    "large as the image"
                )
            for mask in _masks(numbered):
                columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
                images.append(index)
                boxes.append(
                    (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
                )
                areas.append(int(np.count_nonzero(mask)))
        name = root.resolve().name if name is None else name
        table, _ = make_table(
            name,
            images,
            boxes,
            [0] * len(boxes),
            sizes=torch.tensor(sizes).reshape(-1, 2),
            image_ids=ids,
            areas=areas,
            where=lambda row: str(self._map_of(ids[images[row]])),
        )
        super().__init__(
            image_folder,
            [files[image_id] for image_id in ids],
            table,
            sizes=torch.tensor(sizes).reshape(-1, 2),
            image_ids=ids,
            classes=["person"],
            category_ids=[1],
            name=name,
            listed_in=str(self._maps),
            on_unreadable=on_unreadable,
        )
        self.masks = True

    def objects(self, index: int) -> Objects:
        numbered = _read_map(self._map_of(str(self.image_ids[index])))
        masks: Tensor = torch.from_numpy(_masks(numbered))
        return self._table.objects(index, masks)

    _tabled = objects

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        """Of the table and of what the maps' files hold: no map is decoded."""
        keys = super().annotation_keys(positions)
        if not self._is_tabled():
            return keys
        names = [self._map_of(str(self.image_ids[row])).name for row in self._rows(positions)]
        maps = file_keys(self._maps, names)
        pairs = zip(keys.keys, maps.keys, strict=True)
        joined = as_keys(
            hash_parts(table_key.tobytes(), map_key.tobytes()) for table_key, map_key in pairs
        )
        return Keys(joined, maps.by_content)

    def _map_of(self, image_id: str) -> Path:
        return self._maps / f"{image_id}_mask.png"


def _read_map(path: Path) -> np.ndarray:
    with open_image(path, "mask") as opened:
        mode, numbered = opened.mode, np.array(opened)
    if numbered.ndim != 2:
        raise ValueError(f"{path} must have one number per pixel, got {mode} pixels")
    return numbered


def _masks(numbered: np.ndarray) -> np.ndarray:
    """``(M, H, W)`` bool in the order of the numbers, which may have gaps."""
    people = np.unique(numbered)
    masks: np.ndarray = numbered == people[people > 0][:, None, None]
    return masks
