"""Similarity of one place of an image to all others.

Legend: M images, C channels, h x w cells of a map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.analysis.inputs import stage_positions
from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.models import Backbone

from .maps import stage_maps


@checked_call()
def similarity_map(maps: Tensor, location: Sequence[float] = (0.5, 0.5)) -> Tensor:
    """Cosine of the cell at a location with every cell of the same image.

    Args:
        maps: ``(M, C, h, w)`` float.
        location: x and y as shares of width and height, from 0 (left, top) to 1 (right, bottom).

    Returns:
        ``(M, h, w)`` float64; 1 at the cell itself. The cosine with a cell of zeros is 0.

    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if the maps have another shape or are not finite, or the location is outside.

    Example:
        >>> maps = torch.tensor([[[[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 1.0]]]])
        >>> similarity_map(maps, (0, 0))
        tensor([[[1., 1.],
                 [0., 0.]]], dtype=torch.float64)
    """
    checks.shape("maps", maps, ("M", "C", "h", "w"))
    checks.dtype("maps", maps, checks.FLOATS)
    checks.all_finite("maps", maps, row="image")
    column, row = cell_at(location, maps.shape[3], maps.shape[2])
    unit = F.normalize(maps.double(), dim=1)
    cosines = (unit * unit[:, :, row, column, None, None]).sum(1)  # (M, h, w)
    return cosines.clamp(-1, 1)


def cell_at(location: Sequence[float], width: int, height: int) -> tuple[int, int]:
    """Column and row of the cell that a location falls into.

    Args:
        location: see `similarity_map`.
        width: columns of the map.
        height: rows.

    Raises:
        TypeError: if it is no pair of numbers.
        ValueError: if a number lies outside 0 to 1.

    Example:
        >>> cell_at((0.5, 1), 4, 4)
        (2, 3)
    """
    if not isinstance(location, list | tuple) or len(location) != 2:
        checks.refuse("location", "a pair x, y of shares from 0 to 1", location, kind=TypeError)
    x, y = (checks.share("location", number) for number in location)
    return min(int(x * width), width - 1), min(int(y * height), height - 1)


@checked_call()
def location_similarity(
    backbone: Backbone,
    images: ImageSource,
    *,
    stage: int,
    location: Sequence[float] = (0.5, 0.5),
    image_size: int | None = None,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
) -> Tensor:
    """`similarity_map` of the maps of one stage, for the centre of every image.

    Args:
        backbone: frozen, and checked not to change.
        images: whose maps.
        stage: a number from 1, shallow to deep.
        location: in the view, see `similarity_map`.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where the maps are computed.

    Returns:
        ``(M, h, w)`` float64.

    Raises:
        ValueError: see `similarity_map`; if there is no such stage.

    Example:
        >>> from instdisc.data import Scenes
        >>> location_similarity(Backbone("test_resnet"), Scenes(3, image_size=64), stage=2,
        ...     image_size=64).shape
        torch.Size([3, 8, 8])
    """
    stage_positions([stage], backbone, "stage")
    (maps,) = stage_maps(
        backbone,
        images,
        stages=[stage],
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
    )
    return similarity_map(maps, location)
