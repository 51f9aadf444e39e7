"""The passes of a batch's views through an encoder.

Legend: B batch on this process, V views, H x W image size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import reduce

import torch
from torch import Tensor

from ..objectives import Objective


def named_views(objectives: Collection[Objective]) -> tuple[list[int], list[int]]:
    """Numbers of the views that the query encoder must see, and of those for the momentum encoder.

    Args:
        objectives: the terms of a loss.

    Example:
        >>> from ..objectives import Classification
        >>> named_views([Classification(4, 2, both_views=True)])
        ([0, 1], [])
    """
    queries = {view for objective in objectives for view in objective.queries}
    keys = {view for objective in objectives for view in objective.keys}
    return sorted(queries), sorted(keys)


def pass_views(
    encode: Callable[[Tensor], Tensor],
    images: Sequence[Tensor],
    views: Sequence[int],
    *,
    joined: bool,
) -> dict[int, Tensor]:
    """Features of views by their numbers.

    Args:
        encode: makes features ``(B, dim)`` of images ``(B, 3, H, W)``, of any H x W and B.
        images: V views ``(B, 3, H, W)``; H x W may differ between them.
        views: numbers of those that are wanted.
        joined: pass the views of one size together; else each by itself, so that the groups of a
            split batch norm hold the same images in each view.

    Returns:
        ``(B, dim)`` by number.

    Example:
        >>> images = [torch.zeros(2, 3, size, size) for size in (8, 4, 4)]
        >>> encode = lambda images: print(tuple(images.shape)) or images.mean((2, 3))
        >>> list(pass_views(encode, images, [0, 1, 2], joined=True))
        (2, 3, 8, 8)
        (4, 3, 4, 4)
        [0, 1, 2]
    """
    if not joined:
        return {view: encode(images[view]) for view in views}
    sizes: dict[torch.Size, list[int]] = {}
    for view in views:
        sizes.setdefault(images[view].shape, []).append(view)
    features: dict[int, Tensor] = {}
    for alike in sizes.values():
        batch = images[alike[0]] if len(alike) == 1 else torch.cat([images[v] for v in alike])
        features.update(zip(alike, encode(batch).chunk(len(alike)), strict=True))
    return {view: features[view] for view in views}


def weighted_sum(terms: Sequence[tuple[float, Tensor]]) -> Tensor:
    """The total of ``(weight, term)``, without a kernel for a weight of 1 or a sum of one term."""
    return reduce(torch.add, [term if weight == 1 else weight * term for weight, term in terms])
