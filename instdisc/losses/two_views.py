"""Two views of the images of the global batch, and the products of their columns.

Legend: B batch on this process, W processes, N = W B images, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc.checks import refuse
from instdisc.distributed import gather_with_gradient, world_size

from .inputs import at_least_float32, check_features


def gather_views(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of two views of all processes, through which gradients flow back.

    Args:
        first: ``(B, D)``.
        second: ``(B, D)``; row i is of the image of row i of `first`.

    Returns:
        ``(N, D)`` each, in float32 (float64 as it is).

    Raises:
        TypeError: if one is no float tensor.
        ValueError: if their shapes differ or there are fewer than two images.
    """
    check_features("first", first)
    check_features("second", second)
    if second.shape != first.shape:
        rule = f"{tuple(first.shape)} like `first`"
        refuse("second", rule, second, "Row i of both is of image i.")
    if len(first) * world_size() < 2:
        refuse("first", "of at least 2 rows, for what is compared are images", first)
    first, second = at_least_float32(first), at_least_float32(second)
    if world_size() == 1:
        return first, second
    both = gather_with_gradient(torch.stack([first, second], 1))  # (N, 2, D)
    return both[:, 0], both[:, 1]


def column_products(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """What is needed of the products of all columns of one matrix with all of another.

    Their squares are added up over the D x D products or, where that is less work, over the
    N x N products of the rows: both are the trace of the same product of four matrices.

    Args:
        first: ``(N, D)``.
        second: ``(N, D)``; may be `first` itself.

    Returns:
        The products ``(D,)`` of column i with column i, and the sum of the squares of all others.

    Example:
        >>> ones = torch.ones(3, 2)
        >>> column_products(ones, ones)
        (tensor([3., 3.]), tensor(18.))
    """
    count, width = first.shape
    diagonal = (first * second).sum(0)  # (D,)
    num_products = 1 if second is first else 2
    if num_products * count < width:
        of_first = first @ first.T  # (N, N)
        of_second = of_first if second is first else second @ second.T
        squares = of_first * of_second
    else:
        squares = (first.T @ second).square()  # (D, D)
    return diagonal, squares.sum() - diagonal.square().sum()
