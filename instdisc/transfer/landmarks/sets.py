"""Whether two sets can serve a landmark task, said before anything trains.

Legend: N images, P points.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from instdisc.data import LandmarkSource, image_names

_NUM_LOOKED_AT = 16
_log = logging.getLogger(__name__)


def check_sets(train: LandmarkSource, test: LandmarkSource) -> None:
    """Refuses sets on which a training would end without a result; says what is left out.

    Args:
        train: to train on.
        test: to test on.

    Raises:
        ValueError: if the points of the two are others; a point is visible in no training image;
            no test image can be measured, since one eye or all else is not visible in each; or
            the points of a set lie outside the images that were looked at.

    Example:
        >>> from instdisc.data import SceneLandmarks, Scenes
        >>> check_sets(*[SceneLandmarks(Scenes(8, image_size=32))] * 2)
    """
    if train.layout != test.layout:
        raise ValueError(
            f"`test` must have the points and eyes of `train`, {', '.join(train.layout.names[:5])}"
            f"..., got {', '.join(test.layout.names[:5])}..."
        )
    points = train.all_points()
    visible = points[..., 2] > 0
    if not visible.any():
        raise ValueError(
            f"`train` must have a visible point, got none in the {len(train)} images of "
            f"{train.name!r}"
        )
    never = (~visible.any(0)).nonzero()[:, 0].tolist()
    if never:
        names = ", ".join(repr(train.layout.names[point]) for point in never[:5])
        raise ValueError(
            f"every point must be visible in some image of `train`, got none of {train.name!r} "
            f"with {names} ({len(never)} such points). Leave them out of table and layout."
        )
    _say_left_out(train, ~visible.any(1), "have no visible point: nothing is learnt from them")
    tested = test.all_points()
    measured = ~test.layout.distance(tested).isnan()
    if not measured.any():
        raise ValueError(
            f"`test` must have an image in which both eyes ({_eyes(test)}) have a visible point, "
            f"got none of the {len(test)} of {test.name!r}"
        )
    _say_left_out(test, ~measured, f"lack an eye ({_eyes(test)}): they are left out of the score")
    for name, images, positions in (("train", train, points), ("test", test, tested)):
        _check_places(name, images, positions)


def _say_left_out(images: LandmarkSource, rows: Tensor, why: str) -> None:
    if rows.any():
        first = image_names(images)[int(rows.nonzero()[0])]
        _log.warning(
            "%d of the %d images of %r %s; %s first",
            int(rows.sum()),
            len(images),
            images.name,
            why,
            first,
        )


def _check_places(name: str, images: LandmarkSource, points: Tensor) -> None:
    """Looks at a few images: points of another resolution would all lie outside.

    Of a test it looks for an image with both eyes inside, and at all where there is none.
    """
    rows = (points[..., 2] > 0).any(1).nonzero()[:, 0]
    if name == "test":
        rows = (~images.layout.distance(points).isnan()).nonzero()[:, 0]
    step = -(-len(rows) // _NUM_LOOKED_AT) if name == "train" else 1
    some_inside = False
    for row in rows[::step].tolist():
        position, image = images.fetch(row)
        x, y, counts = points[position].unbind(-1)
        inside = (counts > 0) & (x < image.shape[2]) & (y < image.shape[1])
        some_inside = some_inside or bool(inside.any())
        measured = not images.layout.distance(points[position, :, :2], inside).isnan()
        if inside.any() if name == "train" else measured:
            return
    if some_inside:
        raise ValueError(
            f"`{name}` must have an image with both eyes ({_eyes(images)}) inside, got none of the "
            f"{len(images)} of {images.name!r}: {image_names(images)[position]} has one outside"
        )
    size = " x ".join(str(side) for side in reversed(image.shape[1:]))
    at = torch.stack([x, y])[:, counts > 0][:, 0].tolist()
    raise ValueError(
        f"`{name}` must have points inside its images, got none in those of {images.name!r} that "
        f"were looked at: {image_names(images)[position]} is of {size} pixels, and its first "
        f"point is at {at[0]:g}, {at[1]:g}. Are the images resized, and the points not?"
    )


def _eyes(images: LandmarkSource) -> str:
    names = images.layout.names
    return " and ".join("/".join(names[point] for point in eye) for eye in images.layout.eyes)
