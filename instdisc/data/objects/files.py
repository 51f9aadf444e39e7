"""Objects that are listed in annotation files beside a folder of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from instdisc.types import Objects

from ..catalog.layout import require_files
from ..images.contents import Keys, as_keys, hash_parts
from ..images.files import ImageFiles
from ..images.source import no_labels
from .source import ObjectCounts, ObjectSource
from .table import ObjectTable


class ObjectFiles(ObjectSource):
    """Images in files and a table of their objects: what VOC and COCO share.

    Args:
        folder: of the images; ``None`` where there are none, to evaluate stored detections.
        paths: N files relative to it.
        table: the objects.
        sizes: ``(N, 2)`` int64 height and width.
        image_ids: of the annotations.
        classes: names of the classes.
        category_ids: their numbers in the annotations.
        name: for records and messages.
        listed_in: what names the files, for the message.
        on_unreadable: see `ImageFiles`.

    Raises:
        ValueError: if there is no image, or a file is missing; while reading, if an image cannot
            be decoded or has another size than its annotation says.
    """

    def __init__(
        self,
        folder: Path | None,
        paths: Sequence[str],
        table: ObjectTable,
        *,
        sizes: Tensor,
        image_ids: Sequence[int | str],
        classes: Sequence[str],
        category_ids: Sequence[int],
        name: str,
        listed_in: str,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        if not len(paths):
            raise ValueError(f"{listed_in} must name at least one image, got none")
        self.name = name
        self.classes = list(classes)
        self.labels = no_labels(len(paths))
        self.on_unreadable = on_unreadable
        self.image_ids = list(image_ids)
        self.category_ids = list(category_ids)
        self.masks = False
        self.sizes = sizes
        self.has_objects = table.has_objects()
        self._table = table
        self._files: ImageFiles | None = None
        if folder is not None:
            require_files(folder, paths, listed_in)
            self._files = ImageFiles(
                folder, paths, self.labels, classes=classes, name=name, on_unreadable=on_unreadable
            )

    def path(self, index: int) -> Path:
        """Where the image at a position lies.

        Raises:
            ValueError: if no folder of images was given.
        """
        if self._files is None:
            raise ValueError(
                f"{self.name!r} was opened without images: pass `images`, the folder with "
                f"{self.image_ids[index]}"
            )
        return self._files.path(index)

    def read(self, index: int) -> Tensor:
        path = self.path(index)
        assert self._files is not None
        image = self._files.read(index)
        if list(image.shape[1:]) != self.sizes[index].tolist():
            height, width = self.sizes[index].tolist()
            raise ValueError(
                f"the image {path} has {image.shape[2]} x {image.shape[1]} pixels and its "
                f"annotation says {width} x {height}: its boxes do not fit it"
            )
        return image

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        if self._files is None or type(self).read is not ObjectFiles.read:
            return super().image_keys(positions)
        return self._files.image_keys(positions)

    def objects(self, index: int) -> Objects:
        return self._table.objects(index)

    def areas(self, index: int) -> Tensor:
        return self._table.areas[self._table.rows(index)]

    def counts(self, positions: Tensor | None = None) -> ObjectCounts:
        if not self._is_tabled():
            return super().counts(positions)
        return self._table.counts(len(self.classes), positions)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        """Of the rows of the table and of packed outlines: no mask is decoded."""
        if not self._is_tabled():
            return super().annotation_keys(positions)
        columns, sizes = self._table.as_bytes(), self.sizes.tolist()
        ends = self._table.ends.tolist()  # of lists, since a tensor's numbers cost a second
        return Keys(
            as_keys(
                self._truth_of(row, sizes[row], slice(ends[row], ends[row + 1]), columns)
                for row in self._rows(positions)
            ),
            True,
        )

    _tabled = objects  # what the table and `_outlines_of` tell; a subclass may give other objects

    def _is_tabled(self) -> bool:
        cls = type(self)
        return cls.objects is cls._tabled and cls.areas is ObjectFiles.areas

    def _truth_of(self, index: int, size: list[int], rows: slice, columns: np.ndarray) -> bytes:
        image_id = self.image_ids[index]
        # The order of numbers as ids settles ties between scores; a text is the name of a file.
        number = image_id if isinstance(image_id, int) else ""
        return hash_parts(
            f"{size} {number}".encode(), columns[rows].tobytes(), *self._outlines_of(rows)
        )

    def _outlines_of(self, rows: slice) -> tuple[bytes, ...]:
        return ()
