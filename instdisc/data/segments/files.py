"""Images and masks that lie in files.

Legend: N images, C classes, H x W size of an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.types import IGNORED_CLASS

from ..images.contents import Keys, file_keys
from ..images.decoding import decode_file, read_size
from ..images.source import no_labels
from .ids import UNKNOWN, as_ranges, class_table, decode_ids
from .source import SegmentSource, check_classes


class SegmentFiles(SegmentSource):
    """Images and masks in listed files below one folder.

    Masks are greyscale or palette images without loss (PNG, BMP, TIFF, GIF), whose pixel values
    are ids; see `decode_ids`.

    Args:
        root: the folder.
        images: ``(N,)`` the images, relative to `root`.
        masks: ``(N,)`` the mask of each, relative to `root`.
        classes: names of the C classes.
        ids: class of each id in the masks; 255 for an ignored one. ``None``: ids are classes, and
            255 is ignored.
        colors: ``(C, 3)`` colours for pictures; ``None`` for those of `class_colors`.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: ``"raise"`` stops at a pair that cannot be used and names it; ``"skip"``
            logs a warning and puts the next usable pair in its place.

    Attributes:
        ids: as they were given.

    Raises:
        ValueError: if there is no image, the numbers of images and masks differ, `classes` or
            `ids` do not fit, or `on_unreadable` is unknown; while reading, if a file cannot be
            decoded or a mask holds an unknown id.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (8, 6)).save(root / "1.png")
        >>> Image.new("L", (8, 6), 7).save(root / "1_mask.png")
        >>> files = SegmentFiles(root, ["1.png"], ["1_mask.png"], classes=["road", "sky"],
        ...     ids={7: 0, 8: 1})
        >>> files.mask(0).unique()
        tensor([0], dtype=torch.uint8)
    """

    def __init__(
        self,
        root: str | Path,
        images: Sequence[str],
        masks: Sequence[str],
        *,
        classes: Sequence[str],
        ids: Mapping[int, int] | None = None,
        colors: Sequence[Sequence[int]] | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(SegmentFiles.__init__, locals())
        if not len(images) or len(images) != len(masks):
            raise ValueError(
                f"`images` and `masks` must name the same number of files below {root}, at least "
                f"one, got {len(images)} and {len(masks)}"
            )
        self.root = Path(root)
        self.name = self.root.resolve().name if name is None else name
        self.classes = check_classes(classes)
        self.labels = no_labels(len(images))
        self.on_unreadable = on_unreadable
        self.paths = list(images)
        self.mask_paths = list(masks)
        self.ids = None if ids is None else dict(ids)
        if colors is not None and len(colors) != len(self.classes):
            checks.refuse("colors", f"one for each of {len(self.classes)} classes", colors)
        self._table = class_table(len(self.classes), ids)
        self._colors = None if colors is None else torch.tensor(colors, dtype=torch.uint8)

    @property
    def colors(self) -> Tensor:
        return super().colors if self._colors is None else self._colors

    def path(self, index: int) -> Path:
        """Where the image at a position lies."""
        return self.root / self.paths[index]

    def place(self, index: int) -> str:
        return str(self.path(index))

    def read(self, index: int) -> Tensor:
        return decode_file(self.path(index))

    def image_names(self) -> list[str]:
        return [Path(path).as_posix() for path in self.paths]

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        if type(self).read is not SegmentFiles.read:
            return super().image_keys(positions)
        return file_keys(self.root, [self.paths[row] for row in self._rows(positions)])

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        if type(self).mask is not SegmentFiles.mask:
            return super().annotation_keys(positions)
        return file_keys(self.root, [self.mask_paths[row] for row in self._rows(positions)])

    def context(self) -> dict[str, Any]:
        ids = np.flatnonzero(self._table != UNKNOWN)
        return {**super().context(), "ids": [ids.tolist(), self._table[ids].tolist()]}

    def mask(self, index: int) -> Tensor:
        path = self.root / self.mask_paths[index]
        ids = decode_ids(path)
        classes = self._table[ids]
        if (classes == UNKNOWN).any():
            unknown = np.unique(ids[classes == UNKNOWN]).tolist()
            mapped = np.flatnonzero(self._table != UNKNOWN).tolist()
            raise ValueError(
                f"the mask {path} holds the id {unknown[0]}"
                + (f" and {len(unknown) - 1} others" if len(unknown) > 1 else "")
                + f", which is unknown; known are {as_ranges(mapped)}. Say in `ids` what it is: a "
                f"class, or {IGNORED_CLASS} to ignore it; in classes.txt by a line `NAME = "
                f"{unknown[0]}` or `ignored = {unknown[0]}`."
            )
        return torch.from_numpy(classes)

    def mask_values(self, index: int) -> np.ndarray:
        return decode_ids(self.root / self.mask_paths[index])

    def image_size(self, index: int) -> tuple[int, int] | None:
        if type(self).read is not SegmentFiles.read:
            return super().image_size(index)
        return read_size(self.path(index))
