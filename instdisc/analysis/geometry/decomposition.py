"""Singular values and right singular vectors of tall matrices, in float64.

Legend: N images, D width, K = min(N, D).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

EXACT_SIDE = 1024  # of the smaller side; above it a singular value decomposition takes minutes
_BLOCKS = 8


def singular_values(rows: Tensor, *, exact_side: int = EXACT_SIDE) -> Tensor:
    """``(K,)`` singular values, falling.

    Up to `exact_side` columns or rows they are those of the matrix. Above, they are roots of the
    eigenvalues of the Gram matrix ``X'X`` (or ``XX'``), which takes a tenth of the time and loses
    the values below ``1e-8`` of the largest one: they come out near that instead. Rounding the
    features to float32, as a network gives them, loses the same.

    Args:
        rows: ``(N, D)`` float64.
        exact_side: smaller side up to which nothing is lost.

    Example:
        >>> singular_values(torch.diag(torch.tensor([2.0, 3.0, 1.0])).double())
        tensor([3., 2., 1.], dtype=torch.float64)
    """
    if min(rows.shape) <= exact_side:
        values: Tensor = torch.linalg.svdvals(_shorter(rows))
        return values
    wide = rows if rows.shape[1] <= rows.shape[0] else rows.T
    return torch.linalg.eigvalsh(gram(wide)).flip(0).clamp(min=0).sqrt()


def right_vectors(rows: Tensor, *, exact_side: int = EXACT_SIDE) -> tuple[Tensor, Tensor]:
    """Singular values above rounding, falling, with their right singular vectors.

    Args:
        rows: ``(N, D)`` float64.
        exact_side: see `singular_values`.

    Returns:
        ``(r,)`` singular values and ``(D, r)`` vectors, r the numerical rank.
    """
    size = max(rows.shape) * torch.finfo(rows.dtype).eps
    if min(rows.shape) <= exact_side:
        _, values, vectors = torch.linalg.svd(_shorter(rows), full_matrices=False)
        rank = int((values > size * values[0]).sum())
        return values[:rank], vectors[:rank].T
    if rows.shape[1] <= rows.shape[0]:
        eigenvalues, columns = torch.linalg.eigh(gram(rows))
    else:
        eigenvalues, left = torch.linalg.eigh(gram(rows.T))
        columns = rows.T @ left / eigenvalues.clamp(min=torch.finfo(rows.dtype).tiny).sqrt()
    eigenvalues = eigenvalues.flip(0).clamp(min=0)
    rank = int((eigenvalues > size * eigenvalues[0]).sum())
    return eigenvalues[:rank].sqrt(), columns.flip(1)[:, :rank]


def gram(rows: Tensor) -> Tensor:
    """``X'X`` of a tall matrix: only its blocks on and above the diagonal are multiplied.

    Args:
        rows: ``(N, D)`` float64.

    Returns:
        ``(D, D)`` float64.

    Example:
        >>> gram(torch.ones(3, 2))
        tensor([[3., 3.],
                [3., 3.]])
    """
    width = rows.shape[1]
    product = rows.new_empty(width, width)
    edges = [width * block // _BLOCKS for block in range(_BLOCKS + 1)]
    for first, last in pairwise(edges):
        strip = rows[:, first:last].T @ rows[:, first:]  # (block, D - first)
        product[first:last, first:] = strip
        product[first:, first:last] = strip.T
    return product


def _shorter(rows: Tensor) -> Tensor:
    """A matrix with the same singular values and right vectors, of at most D rows."""
    if rows.shape[0] <= 2 * rows.shape[1]:
        return rows
    triangle: Tensor = torch.linalg.qr(rows, mode="r").R
    return triangle
