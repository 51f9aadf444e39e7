"""Images that lie in files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from instdisc import checks

from .contents import Keys, file_keys
from .decoding import decode_file
from .packed import PackedPaths
from .source import ImageSource

SUFFIXES = {".jpg", ".jpeg", ".png"}
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


class ImageFiles(ImageSource):
    """Images in listed files below one folder; what is decoded and how, see `decode_file`.

    Args:
        root: the folder.
        paths: ``(N,)`` the files, relative to `root`.
        labels: ``(N,)`` int64 class of each; ``-1`` = unknown.
        classes: names of the classes; empty if there are no labels.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: ``"raise"`` stops at an image that cannot be decoded and names it;
            ``"skip"`` logs a warning that names it and puts the next readable image of the set,
            with that one's label, in its place, so that batches keep their size.

    Raises:
        ValueError: if `paths` is empty, `labels` does not fit it or names a class that is not in
            `classes`, or `on_unreadable` is unknown; while reading, if an image cannot be decoded.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (8, 6)).save(root / "1.png")
        >>> files = ImageFiles(root, ["1.png"], torch.tensor([0]), classes=["cat"])
        >>> files.read(0).shape
        torch.Size([3, 6, 8])
    """

    def __init__(
        self,
        root: str | Path,
        paths: Sequence[str] | np.ndarray | PackedPaths,
        labels: Tensor,
        *,
        classes: Sequence[str] = (),
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(ImageFiles.__init__, locals())
        if not len(paths):
            raise ValueError(f"`paths` must name at least one image below {root}, got none")
        checks.dtype("labels", labels, checks.INTEGERS)
        if labels.shape != (len(paths),):
            raise ValueError(f"`labels` must be ({len(paths)},), got {tuple(labels.shape)}")
        if int(labels.max()) >= len(classes) or int(labels.min()) < -1:
            raise ValueError(
                f"`labels` must lie in -1 to {len(classes) - 1} for {len(classes)} `classes`, "
                f"got {int(labels.min())} to {int(labels.max())}"
            )
        self.root = Path(root)
        self.name = self.root.resolve().name if name is None else name
        self.classes = list(classes)
        self.labels = labels
        self.on_unreadable = on_unreadable
        self._paths = paths if isinstance(paths, PackedPaths) else PackedPaths.pack(paths)

    @property
    def paths(self) -> PackedPaths:
        """The files relative to the root."""
        return self._paths

    def path(self, index: int) -> Path:
        """Where the image at a position lies."""
        return self.root / self._paths[index]

    def read(self, index: int) -> Tensor:
        return decode_file(self.path(index))

    def encoded(self, index: int) -> bytes | None:
        if type(self).read is not ImageFiles.read:  # an image is more than what its file shows
            return None
        try:
            return self.path(index).read_bytes()
        except OSError:  # `read` says so
            return None

    def image_names(self) -> list[str]:
        return [path.replace(os.sep, "/") for path in self._paths]

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        if type(self).read is not ImageFiles.read:  # images are more than what the files show
            return super().image_keys(positions)
        if positions is None:
            return file_keys(self.root, self._paths)
        return file_keys(self.root, self._paths.take(positions.numpy()))
