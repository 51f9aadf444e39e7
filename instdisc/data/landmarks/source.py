"""What every set of images with landmarks offers.

Legend: N images, P points.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from instdisc import checks

from ..images.contents import Keys, as_keys, hash_parts
from ..images.files import ImageFiles
from ..images.packed import PackedPaths
from ..images.source import ImageSource
from ..left_out import say_left_out
from .layouts import LandmarkLayout, check_layout

if TYPE_CHECKING:
    from .subset import LandmarkSubset


class LandmarkSource(ImageSource):
    """Images with P points each; subclass it for images of another kind.

    Attributes:
        layout: what the points are.
    """

    kind = "landmarks"
    layout: LandmarkLayout

    @abstractmethod
    def points(self, index: int) -> Tensor:
        """The points of an image, ``(P, 3)`` float32.

        x and y in pixels, where pixel i spans i to i + 1, and may lie outside the image; then 1,
        or 0 for a point that is not visible: it is hidden, not there, or left of or above the
        image. Such a point is neither learnt from nor scored, no view is laid around it, and the
        distance between the eyes is without it; its x and y mean nothing.
        """

    def all_points(self) -> Tensor:
        """The points of all images, ``(N, P, 3)``."""
        return torch.stack([self.points(index) for index in range(len(self))])

    def box(self, index: int) -> Tensor | None:
        """The face or object, ``(4,)`` left, top, right, bottom in pixels; ``None``: unknown."""
        return None

    def subset(self, positions: Tensor) -> LandmarkSubset:
        from .subset import LandmarkSubset  # a subset is such a source, too

        return LandmarkSubset(self, positions)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        return Keys(as_keys(self._truth_key(index) for index in self._rows(positions)), True)

    def context(self) -> dict[str, Any]:
        return {**super().context(), "layout": self.layout._asdict()}

    def _truth_key(self, index: int) -> bytes:
        columns = [self.points(index), self.box(index)]
        return hash_parts(*(b"" if c is None else c.numpy().tobytes() for c in columns))


class LandmarkFiles(ImageFiles, LandmarkSource):
    """Images in files, with points.

    Args:
        root: the folder.
        paths: ``(N,)`` the files, relative to `root`.
        points: ``(N, P, 2)`` float, x and y in pixels, where pixel i spans i to i + 1: add 0.5 to
            positions that count the centres of the pixels. Or ``(N, P, 3)``, where a third column
            of 0 says that a point is hidden or not there. A point left of or above the image
            counts as not visible too, with one line in the log.
        layout: what the points are.
        boxes: ``(N, 4)`` float left, top, right, bottom of the faces; ``None``: unknown.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        ValueError: if the sizes do not fit each other, a visible point is not finite, a box is
            empty, or the eyes of an image coincide; names the image.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from instdisc.data import FACE_5
        >>> root = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (9, 9)).save(root / "1.png")
        >>> points = torch.tensor([[[2.0, 3], [7, 3], [5, 5], [3, 7], [6, 7]]])
        >>> files = LandmarkFiles(root, ["1.png"], points, FACE_5)
        >>> files.points(0)[0], float(FACE_5.distance(files.points(0)))
        (tensor([2., 3., 1.]), 5.0)
    """

    def __init__(
        self,
        root: str | Path,
        paths: Sequence[str] | np.ndarray | PackedPaths,
        points: Tensor,
        layout: LandmarkLayout,
        *,
        boxes: Tensor | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(LandmarkFiles.__init__, locals())
        unknown = torch.full((len(paths),), -1, dtype=torch.int64)
        super().__init__(root, paths, unknown, name=name, on_unreadable=on_unreadable)
        if points.ndim != 3 or points.shape[0] != len(self) or points.shape[2] not in (2, 3):
            raise ValueError(
                f"`points` must be ({len(self)}, P, 2) or ({len(self)}, P, 3), got "
                f"{tuple(points.shape)}"
            )
        self.layout = check_layout(layout, points.shape[1])
        self._boxes = None if boxes is None else boxes.float()
        self._points = self._checked(points.float())
        self._refuse(
            layout.distance(self._points) == 0,
            "eyes in one place: its error over their distance has no value",
        )
        if self._boxes is not None:
            if self._boxes.shape != (len(self), 4):
                raise ValueError(
                    f"`boxes` must be ({len(self)}, 4), got {tuple(self._boxes.shape)}"
                )
            sides = self._boxes[:, 2:] - self._boxes[:, :2]
            self._refuse(~(sides > 0).all(1), "an empty box")  # also catches NaN

    def points(self, index: int) -> Tensor:
        return self._points[index]

    def all_points(self) -> Tensor:
        return self._points

    def box(self, index: int) -> Tensor | None:
        return None if self._boxes is None else self._boxes[index]

    def _checked(self, points: Tensor) -> Tensor:
        """The points with their third column, ``(N, P, 3)``."""
        places = points[..., :2]
        visible = points[..., 2] > 0 if points.shape[2] == 3 else torch.ones_like(places[..., 0])
        visible = visible.bool()
        finite = places.isfinite().all(2)
        self._refuse(
            (visible & ~finite).any(1),
            "a point that is not finite. If it is not there, give `points` a third column of 0",
        )
        outside = visible & (places < 0).any(2)
        rows = outside.any(1).nonzero()[:, 0].tolist()
        say_left_out(
            rows,
            f"%d images of {self.name!r} have {int(outside.sum())} points left of or above the "
            "image: they do not count, first: ",
            lambda row: str(self.path(row)),
        )
        # Not NaN: 0 * NaN would be NaN. Outside, for whoever looks at positions alone.
        places = torch.where(finite[..., None], places, -1.0)
        return torch.cat([places, (visible & ~outside)[..., None].float()], 2)

    def _refuse(self, bad: Tensor, what: str) -> None:
        rows = bad.nonzero()[:, 0]
        if len(rows):
            raise ValueError(
                f"{self.paths[int(rows[0])]} of {self.name!r} has {what} ({len(rows)} such "
                "images). Correct it or leave it out."
            )
