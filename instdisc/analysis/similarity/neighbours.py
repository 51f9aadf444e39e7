"""Shared nearest neighbours of two representations.

Legend: N images, D width of the features, k neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import Features

from ..inputs import paired_rows

_VALUES = 2**24  # similarities at once
_GRID = 2.0**40  # similarities nearer than 1e-12 count as equal


@checked_call()
def mutual_knn(a: Tensor | Features, b: Tensor | Features, *, k: int = 10) -> float:
    """Mean share of the k nearest neighbours of an image that two representations have in common.

    Neighbours by cosine similarity, the image itself left out. Independent representations share
    ``k / (N - 1)``. A second opinion beside `cka`: it looks at what is near alone, while CKA is
    ruled by the directions of largest variance.

    Args:
        a: ``(N, D)`` float, or `Features`.
        b: ``(N, D')``, of the same images in the same order.
        k: neighbours, fewer than N.

    Returns:
        Between 0 and 1.

    Raises:
        TypeError, ValueError: see `instdisc.analysis.inputs.paired_rows`; if `k` is no whole number
            from 1 to N - 1.

    Source:
        Huh et al., "The Platonic Representation Hypothesis" (2024), section 2. Differs from it:
        features are normalised here; their code leaves that to the caller.

    Example:
        >>> x = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
        >>> y = torch.randn(60, 8, generator=torch.Generator().manual_seed(1))
        >>> mutual_knn(x, 2 * x, k=5), round(mutual_knn(x, y, k=5), 2)
        (1.0, 0.08)
    """
    rows, others = paired_rows(("a", "b"), a, b)
    checks.whole("k", k, at_most=len(rows) - 1)
    shares = shared_neighbours(nearest_neighbours(rows, k), nearest_neighbours(others, k))
    return float(shares.mean())


def nearest_neighbours(rows: Tensor, k: int) -> Tensor:
    """The k nearest rows of each row by cosine similarity, itself left out.

    Exact, in chunks: memory grows with N, not with its square. Of equally near rows the first
    counts. A row of zeros is equally far from all.

    Args:
        rows: ``(N, D)`` float.
        k: fewer than N.

    Returns:
        ``(N, k)`` int64, in ascending order of the positions.

    Example:
        >>> nearest_neighbours(torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.3], [0.0, 1.0]]), 1)
        tensor([[1],
                [0],
                [1],
                [2]])
    """
    rows = rows.double()
    # By the largest number first: the lengths of tiny rows are not told from 0.
    sizes = rows.abs().amax(1, keepdim=True)
    unit = F.normalize(rows / torch.where(sizes > 0, sizes, 1.0), dim=1)
    count = len(unit)
    positions = torch.arange(count, device=unit.device)
    tables = []
    for places in positions.split(max(1, _VALUES // count)):
        near = (unit[places] @ unit.T).mul_(_GRID).round_()  # (r, N)
        near[torch.arange(len(places), device=unit.device), places] = -torch.inf
        best = near.topk(k + 1, dim=1)
        table = best.indices[:, :k]
        tied = (best.values[:, k - 1] == best.values[:, k]).nonzero()[:, 0]
        if len(tied):
            # A stable sort puts the first of equals first; topk may not.
            table[tied] = near[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
        tables.append(table.sort(dim=1).values)
    return torch.cat(tables)


def shared_neighbours(first: Tensor, second: Tensor) -> Tensor:
    """The share of neighbours in common, of each image.

    Args:
        first: ``(N, k)`` int64, each row without repetition; see `nearest_neighbours`.
        second: likewise.

    Returns:
        ``(N,)`` float64.
    """
    k = first.shape[1]
    # Ascending rows: what stands in both is twice in the merged row.
    merged = torch.cat([first, second], 1).sort(1).values
    return (merged[:, 1:] == merged[:, :-1]).sum(1).double() / k
