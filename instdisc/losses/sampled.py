"""Contrast with rows that are drawn for each query.

Legend: B queries, b queries of a slice, K drawn rows of each, D width, N images.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc.checks import FLOATS, dtype, refuse, shape, whole
from instdisc.heap import keep_freed_blocks

from .inputs import at_least_float32, check_features
from .sweep import _WithGradient

Fetch = Callable[[slice], Tensor]


def contrast_samples(
    query: Tensor,
    fetch: Fetch,
    *,
    num_rows: int,
    temperature: float,
    loss: Callable[[Tensor], Tensor],
) -> Tensor:
    """The losses of queries that are each compared with rows of their own.

    The rows are fetched for some queries at a time, at most 4 MiB on a CPU and 64 MiB on an
    accelerator, or those of a single query; value and gradient are computed while they are there.
    The similarities are computed in float32 (float64 for float64 queries), under autocast too.

    Args:
        query: ``(B, D)`` rows of unit length.
        fetch: gives the rows ``(b, 1 + K, D)`` of a slice of the queries, the own one first;
            nothing flows back into them.
        num_rows: 1 + K.
        temperature: T.
        loss: makes the losses ``(b,)`` of the similarities ``(b, 1 + K)``, which are divided by T:
            `sampled_softmax`, `noise_contrast`.

    Returns:
        ``(B,)``, once differentiable with respect to `query`.

    Example:
        >>> query = torch.eye(2)[:1]
        >>> fetch = lambda part: torch.eye(2)[None]
        >>> contrast_samples(query, fetch, num_rows=2, temperature=1.0, loss=sampled_softmax)
        tensor([0.3133])
    """
    with torch.autocast(query.device.type, enabled=False):
        query = at_least_float32(query)
        needs_gradient = torch.is_grad_enabled() and query.requires_grad
        values, gradients = _in_slices(
            query.detach(), fetch, num_rows, temperature, loss, needs_gradient=needs_gradient
        )
        if not needs_gradient:
            return values
        result: Tensor = _WithGradient.apply(query, values, gradients)
        return result


def sampled_softmax(similarities: Tensor) -> Tensor:
    r"""Cross-entropy of the own row among those drawn: the log of the sum of exp(s_j) less s_0.

    Args:
        similarities: ``(B, 1 + K)``, divided by T, that of the own row first.

    Returns:
        ``(B,)``.

    Raises:
        TypeError: if `similarities` is no float tensor.
        ValueError: if it has no rows, or is not of two dimensions and two columns.

    Example:
        >>> sampled_softmax(torch.zeros(1, 4097))  # log(4097)
        tensor([8.3180])
    """
    _check_similarities(similarities)
    return similarities.logsumexp(1) - similarities[:, 0]


def noise_contrast(similarities: Tensor, log_partition: Tensor, num_images: int) -> Tensor:
    r"""Noise-contrastive estimation: is a row the own one, or drawn from all images?

    With :math:`P_j = \exp(s_j) / Z` and the rate of noise :math:`K / N`,

    .. math::
        L = -\log \frac{P_0}{P_0 + K/N} - \sum_{j=1}^{K} \log \frac{K/N}{P_j + K/N}

    Args:
        similarities: ``(B, 1 + K)``, divided by T, that of the own row first.
        log_partition: scalar, log Z.
        num_images: N.

    Returns:
        ``(B,)``.

    Raises:
        TypeError: if `similarities` or `log_partition` is no float tensor, or `num_images` no whole
            number.
        ValueError: if a shape is another, or `num_images` is not positive.

    Source:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
        (2018), equations 5 to 7. Differs from its code: that adds 1e-7 to each denominator, which
        shifts the loss by a constant and changes the gradient by 1e-7 N / K of it.

    Example:
        >>> similarities = torch.zeros(1, 4097)
        >>> noise_contrast(similarities, torch.tensor(50_000.0).log(), 50_000)
        tensor([9.3179])
    """
    _check_similarities(similarities)
    whole("num_images", num_images)
    shape("log_partition", dtype("log_partition", log_partition, FLOATS), ())
    log_noise = math.log((similarities.shape[1] - 1) / num_images)
    odds = similarities - log_partition - log_noise  # (B, 1 + K) log of P_j / (K / N)
    return F.softplus(-odds[:, 0]) + F.softplus(odds[:, 1:]).sum(1)


@torch.compiler.disable
@torch.no_grad()
def _in_slices(
    query: Tensor,
    fetch: Fetch,
    num_rows: int,
    temperature: float,
    loss: Callable[[Tensor], Tensor],
    *,
    needs_gradient: bool,
) -> tuple[Tensor, Tensor]:
    """The losses ``(B,)`` and, if it is wanted, their gradient ``(B, D)``."""
    if query.device.type == "cpu":
        keep_freed_blocks()
    values, gradients = query.new_empty(len(query)), torch.empty_like(query)
    length = _slice_length(num_rows, query)
    for start in range(0, len(query), length):
        part = slice(start, min(start + length, len(query)))
        rows = fetch(part)
        expected = (part.stop - start, num_rows, query.shape[1])
        if rows.shape != expected:
            refuse("fetch", f"a function that returns rows {expected}", rows)
        rows = rows.to(query.dtype)
        with torch.set_grad_enabled(needs_gradient):
            here = query[part].requires_grad_(needs_gradient)  # (b, D)
            # With the queries on the right, a product on a CPU takes nine times as long.
            similarities = (here[:, None] @ rows.transpose(1, 2))[:, 0] / temperature  # (b, 1 + K)
            terms = loss(similarities)
            values[part] = terms.detach()
            if needs_gradient:
                gradients[part] = torch.autograd.grad(terms.sum(), here)[0]
    return values, gradients


def _check_similarities(similarities: Tensor) -> None:
    check_features("similarities", similarities)
    if not len(similarities) or similarities.shape[1] < 2:
        rule = "of at least 1 row and 2 columns, the own row's and that of one drawn"
        refuse("similarities", rule, similarities)


def _slice_length(num_rows: int, query: Tensor) -> int:
    """b: on a CPU what stays near the cache; on an accelerator few large steps."""
    size = 2**20 if query.device.type == "cpu" else 2**24
    return max(1, size // (num_rows * query.shape[1]))
