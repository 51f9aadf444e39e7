"""The factors of real and generated sets, as far as their annotations tell them.

Legend: N images, M objects of an image, P points.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, ImageSubset, LandmarkSource, ObjectSource

from .pairing import Factors

_NONE = float("nan")


def factors_of(name: str, images: ImageSource) -> Factors:
    """What a set knows of its images.

    Args:
        name: of the argument.
        images: with boxes (`object_factors`), with points (`landmark_factors`), or with a method
            ``factors(positions)`` as `Scenes` has it; or a subset of such images.

    Raises:
        TypeError: if it is no set of images.
        ValueError: if the set knows none.

    Example:
        >>> from instdisc.data import Scenes
        >>> sorted(factors_of("test", Scenes(9, image_size=32).subset(torch.arange(3))))[:2]
        ['aspect', 'background brightness']
    """
    checks.instance(name, images, ImageSource, "a set of images")
    positions, source = torch.arange(len(images)), images
    while isinstance(source, ImageSubset) and not hasattr(source, "factors"):
        positions, source = source.positions[positions], source.images
    if isinstance(source, ObjectSource):
        return object_factors(source.subset(positions))
    if isinstance(source, LandmarkSource):
        return landmark_factors(source.subset(positions))
    if not hasattr(source, "factors"):
        checks.refuse(
            name,
            "a set that knows the factors of its images",
            images.name,
            "Scenes do, and sets with boxes or points; others by a method `factors(positions)`. "
            "Images in memory do not: give the set itself, keep='nothing' in a suite.",
        )
    factors: Factors = source.factors(positions)
    return factors


@checked_call()
def object_factors(source: ObjectSource) -> dict[str, Tensor]:
    """The factors of the largest box of each image, as a view of the whole image shows it.

    Crowds are left out. A box is clipped to its image.

    Args:
        source: images with boxes.

    Returns:
        By name, NaN or -1 in an image without a box: ``"aspect"`` (N,), the logarithm of width
        over height; ``"size"`` (N,), the root of the area; ``"position"`` (N, 2), x and y of the
        centre: of the width and height of the image; ``"category"`` (N,) int64; ``"number of
        objects"`` (N,).

    Raises:
        TypeError: if they have no boxes.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> factors = object_factors(SceneObjects(Scenes(4, image_size=48)))
        >>> factors["number of objects"], factors["position"].shape
        (tensor([2., 2., 3., 4.], dtype=torch.float64), torch.Size([4, 2]))
    """
    shapes, categories, numbers = [], [], []
    for index in range(len(source)):
        objects = source.objects(index)
        height, width = source.sizes[index].tolist()
        sides = torch.tensor([width, height], dtype=torch.float64)
        corners = objects.boxes[~objects.crowd].double().reshape(-1, 2, 2) / sides  # (M, 2, 2)
        first, last = corners.clamp(0, 1).unbind(1)
        areas = (last - first).clamp(min=0).prod(1)
        numbers.append(float(len(areas)))
        if not len(areas) or float(areas.max()) == 0:
            shapes.append(torch.full((4,), _NONE, dtype=torch.float64))
            categories.append(-1)
            continue
        largest = int(areas.argmax())
        across, down = (last - first)[largest]
        middle = (last + first)[largest] / 2
        shapes.append(torch.stack([(across / down).log(), areas[largest].sqrt(), *middle]))
        categories.append(int(objects.labels[~objects.crowd][largest]))
    table = torch.stack(shapes)  # (N, 4)
    return {
        "aspect": table[:, 0],
        "size": table[:, 1],
        "position": table[:, 2:],
        "category": torch.tensor(categories),
        "number of objects": torch.tensor(numbers, dtype=torch.float64),
    }


@checked_call()
def landmark_factors(source: LandmarkSource) -> dict[str, Tensor]:
    """The factors of the visible points of each image, as a view of the whole image shows them.

    Args:
        source: images with points; they are read, since points are in pixels.

    Returns:
        By name, NaN where a point that is needed is hidden: ``"orientation"`` (N, 2), cosine and
        sine of the angle of the line from the first eye to the second (`LandmarkLayout.eyes`),
        clockwise; ``"size"`` (N,), root mean square distance of the points from their mean;
        ``"position"`` (N, 2), their mean: of the width and height of the image.

    Raises:
        TypeError: if they have no points.

    Example:
        >>> from instdisc.data import SceneLandmarks, Scenes
        >>> landmark_factors(SceneLandmarks(Scenes(4, image_size=48)))["position"].shape
        torch.Size([4, 2])
    """
    rows = []
    for index in range(len(source)):
        height, width = source.read(index).shape[1:]
        points = source.points(index).double()
        visible = points[:, 2] > 0
        places = points[:, :2] / torch.tensor([width, height], dtype=torch.float64)  # (P, 2)
        middle = places[visible].mean(0)  # NaN of none
        size = (places[visible] - middle).square().sum(1).mean().sqrt()
        left, right = (places[list(eye)][visible[list(eye)]].mean(0) for eye in source.layout.eyes)
        line = right - left
        rows.append(torch.cat([line / line.norm(), size[None], middle]))
    table = torch.stack(rows)  # (N, 5)
    return {"orientation": table[:, :2], "size": table[:, 2], "position": table[:, 3:]}
