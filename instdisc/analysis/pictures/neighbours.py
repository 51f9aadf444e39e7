"""Nearest neighbours of images in feature space.

Legend: N images, D width, Q queries, k neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.analysis.inputs import feature_rows
from instdisc.checks import checked_call
from instdisc.transfer import Features

_CELLS = 2**22  # cosines at once
_STEPS = 10.0**12  # cosines that differ by less than 1e-12 are equal


@checked_call()
class Neighbours(NamedTuple):
    """The most similar images of some queries, most similar first.

    Attributes:
        rows: ``(Q, k)`` int64 positions in the features.
        cosines: ``(Q, k)`` float64.
    """

    rows: Tensor
    cosines: Tensor


@checked_call()
def neighbours(
    features: Tensor | Features, queries: Tensor | Sequence[int], *, k: int = 8
) -> Neighbours:
    """The k images whose features have the largest cosine with those of each query.

    It is exact, in float64 and in chunks of queries. The query itself is no neighbour of itself;
    another copy of the image is. Of equal cosines (within 1e-12) the lower position comes first.

    Args:
        features: ``(N, D)`` float, or `Features`; their lengths do not matter. The cosine with a
            row of zeros is 0.
        queries: ``(Q,)`` positions in the features.
        k: neighbours of each, at most N - 1.

    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if there are fewer than 4 images, the features are not finite or all the same,
            there is no query, one lies outside the features, or `k` is out of range.

    Example:
        >>> features = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.0]])
        >>> neighbours(features, [0, 2], k=2).rows
        tensor([[1, 2],
                [1, 0]])
    """
    rows = feature_rows("features", features)
    asked = _query_rows(queries, len(rows))
    remedy = f"Each of the {len(rows)} images has {len(rows) - 1} others."
    checks.whole("k", k, at_most=len(rows) - 1, remedy=remedy)
    unit = F.normalize(rows.cpu(), dim=1)
    places, cosines = [], []
    for chunk in asked.split(max(1, _CELLS // len(unit))):
        cosine = unit[chunk] @ unit.T  # (q, N)
        cosine.scatter_(1, chunk[:, None], -torch.inf)
        nearest = _first_largest((cosine * _STEPS).round(), k)
        places.append(nearest)
        cosines.append(cosine.gather(1, nearest))
    return Neighbours(torch.cat(places), torch.cat(cosines).clamp(-1, 1))


def _first_largest(values: Tensor, k: int) -> Tensor:
    """``(q, k)`` columns of the k largest of each row; of equal ones those on the left."""
    largest, columns = values.topk(k, dim=1)
    # `topk` takes any of several values that equal the last: only such rows are sorted whole.
    tied = (values >= largest[:, -1:]).sum(1) > k
    if bool(tied.any()):
        columns[tied] = values[tied].argsort(dim=1, descending=True, stable=True)[:, :k]
    columns = columns.sort(1).values
    order = values.gather(1, columns).argsort(dim=1, descending=True, stable=True)
    return columns.gather(1, order)


def _query_rows(queries: Tensor | Sequence[int], count: int) -> Tensor:
    if not isinstance(queries, Tensor):
        checks.instance("queries", queries, Sequence, "positions of images")
        for entry in queries:
            checks.whole("queries", entry, at_least=0, at_most=count - 1)
        queries = torch.tensor(list(queries), dtype=torch.int64)
    checks.shape("queries", queries, ("Q",))
    checks.dtype("queries", queries, torch.int64)
    queries = queries.cpu()
    if not len(queries):
        checks.refuse("queries", "at least one position", queries)
    outside = queries[(queries < 0) | (queries >= count)]
    if len(outside):
        checks.refuse("queries", f"positions from 0 to {count - 1}", int(outside[0]))
    return queries
