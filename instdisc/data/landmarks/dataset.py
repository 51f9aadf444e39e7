"""From one image with points to a view with points.

Legend: B batch, N images, P points, S side of a view, n numbers of the photometric steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, NoReturn

import torch
from torch import Tensor

from instdisc import checks
from instdisc.types import LandmarkBatch

from ..images.splits import image_names
from ..views.dataset import RawViews, ViewDataset, ViewPolicy
from ..views.draws import Draws
from ..views.finish import ViewFinisher
from .frames import SquareFrame
from .source import LandmarkSource

Crop = Literal["image", "box", "points"]


class RawLandmarks(NamedTuple):
    """A batch between worker and device.

    Attributes:
        batch: with uint8 views.
        numbers: ``(B, n)`` float32 for the photometric steps.
    """

    batch: LandmarkBatch
    numbers: Tensor


class LandmarkDataset(ViewDataset):
    """One view of each image with its points; a `ViewLoader` with ``raw=True`` loads it.

    Args:
        images: where the images and points come from.
        policy: how views are made; its frame is a `SquareFrame`. A flip changes left and right
            points as the layout says.
        crop: around what the frame is laid: the whole image, the face box of the data set, or the
            box around the visible points. The last looks at the truth, in a test as well: as where
            the box of a good face detector is taken for granted. A face without a visible point
            is then unreadable: `on_unreadable` of `images` says what follows.
        seed: of all random numbers; 0 to 2**32 - 1.

    Attributes:
        encoded: the whole set as one batch whose `images` are features, see `LandmarkData.encode`:
            then no image is read any more.

    Raises:
        TypeError: if `images` have no points or the policy's frame is another.
        ValueError: if `images` is empty, `crop` is unknown, or is ``"box"`` where the first image
            has none; `seed` is out of range.

    Example:
        >>> from instdisc.data import Scenes, SceneLandmarks, ViewLoader
        >>> points = SceneLandmarks(Scenes(8, image_size=48))
        >>> dataset = LandmarkDataset(points, ViewPolicy(SquareFrame(32), flip=0.5), crop="box")
        >>> raw = next(iter(ViewLoader(dataset, 4, raw=True)))
        >>> batch = LandmarkFinisher(dataset.policies[0])(raw)
        >>> batch.images.shape, batch.points.shape
        (torch.Size([4, 3, 32, 32]), torch.Size([4, 5, 2]))
    """

    images: LandmarkSource

    def __init__(
        self, images: LandmarkSource, policy: ViewPolicy, *, crop: Crop = "image", seed: int = 0
    ) -> None:
        checks.arguments(LandmarkDataset.__init__, locals(), seed=checks.count)
        if not isinstance(policy.frame, SquareFrame):
            raise TypeError(
                f"`policy` must have a SquareFrame, got {type(policy.frame).__name__}: a view's "
                "shape must be that of the face"
            )
        super().__init__(images, [policy], seed=seed)
        if crop == "box" and images.box(0) is None:
            raise ValueError(
                f"`crop`='box' needs the boxes of the faces, which {images.name!r} does not have. "
                "Take 'points' or 'image'."
            )
        self.crop = crop
        self.encoded: LandmarkBatch | None = None
        self._order = images.layout.order

    @property
    def is_random(self) -> bool:
        """Whether two views of an image can differ."""
        policy = self.policies[0]
        assert isinstance(policy.frame, SquareFrame)
        return policy.frame.is_random or policy.flip > 0 or bool(policy.photometric)

    def batch(self, keys: Sequence[tuple[int, int]]) -> Any:
        """`RawLandmarks` of several images, ``(epoch, index)`` each, all of one epoch."""
        epoch, indices = keys[0][0], [index for _, index in keys]
        if self.encoded is not None:
            rows = torch.tensor(indices)
            return LandmarkBatch(*(column[rows] for column in self.encoded))
        policy = self.policies[0]
        drawn = policy.draw(Draws(self.seed, epoch, indices, 0))
        rows_of = [
            self._view(index, drawn.frame[row].tolist(), drawn.flipped[row])
            for row, index in enumerate(indices)
        ]
        batch = LandmarkBatch(*(torch.stack(column) for column in zip(*rows_of, strict=True)))
        return RawLandmarks(batch, drawn.photometric)

    def _view(self, index: int, numbers: Sequence[float], flipped: bool) -> LandmarkBatch:
        """One row of a batch."""
        frame = self.policies[0].frame
        assert isinstance(frame, SquareFrame)
        position, (image, points, visible) = self.images._fetch(self._face, index)
        height, width = image.shape[1:]
        region = self._region(position, points[visible], height, width)
        box = frame.around(region, numbers)
        corner = torch.tensor([box.left, box.top], dtype=torch.float32)
        view, size = frame.cut_box(image, box), frame.size
        points = (points - corner) * (size / box.width)
        if flipped:
            view = view.flip(2)
            points = torch.stack([size - points[:, 0], points[:, 1]], 1)[self._order]
            visible = visible[self._order]
        return LandmarkBatch(
            images=view,
            points=points,
            inside=visible & _within(points, size, size),
            visible=visible,
            boxes=torch.cat([corner, corner + box.width]),
            indices=torch.tensor(position),
        )

    def _face(self, position: int) -> tuple[Tensor, Tensor, Tensor]:
        """The image, its points ``(P, 2)`` and which are visible in it, ``(P,)`` bool."""
        image = self.images.read(position)
        points, counts = self.images.points(position).split((2, 1), 1)
        counted = counts[:, 0] > 0
        if not points[counted].isfinite().all():
            self._refuse(position, "a point that is not finite. Give it a third column of 0")
        visible = counted & _within(points, image.shape[2], image.shape[1])
        if self.crop == "points" and not visible.any():
            self._refuse(
                position, "no visible point to lay `crop`='points' around. Take 'image' or 'box'"
            )
        return image, torch.where(points.isfinite(), points, -1.0), visible

    def _refuse(self, position: int, what: str) -> NoReturn:
        name = image_names(self.images)[position]
        raise ValueError(
            f"{name} of {self.images.name!r} has {what}, leave the image out, or open the set with "
            "on_unreadable='skip'."
        )

    def _region(self, position: int, points: Tensor, height: int, width: int) -> list[float]:
        if self.crop == "points":
            return [*points.amin(0).tolist(), *points.amax(0).tolist()]
        if self.crop == "box":
            box = self.images.box(position)
            if box is None:
                raise ValueError(f"image {position} of {self.images.name!r} has no face box")
            corners: list[float] = box.tolist()
            return corners
        return [0.0, 0.0, float(width), float(height)]


class LandmarkFinisher:
    """Computes the colours of raw batches, on the device where they lie; see `ViewFinisher`.

    Args:
        policy: that of the data set.
    """

    def __init__(self, policy: ViewPolicy) -> None:
        checks.arguments(LandmarkFinisher.__init__, locals())
        self._finish = ViewFinisher([policy])

    def __call__(self, raw: RawLandmarks) -> LandmarkBatch:
        """The batch with normalised float views."""
        images, indices = raw.batch.images, raw.batch.indices
        views = self._finish(RawViews([images], [raw.numbers], indices, indices))
        return raw.batch._replace(images=views.images[0])


def to_image(points: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Points of views that are not flipped, in pixels of their images.

    Args:
        points: ``(B, P, 2)`` in pixels of the views.
        boxes: ``(B, 4)``, see `LandmarkBatch`.
        size: S.

    Returns:
        ``(B, P, 2)``.

    Example:
        >>> to_image(torch.tensor([[[0.0, 16.0]]]), torch.tensor([[10.0, 0.0, 74.0, 64.0]]), 32)
        tensor([[[10., 32.]]])
    """
    sides = boxes[:, None, 2:] - boxes[:, None, :2]
    return boxes[:, None, :2] + points * (sides / size)


def _within(points: Tensor, width: int, height: int) -> Tensor:
    x, y = points.unbind(-1)
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)
