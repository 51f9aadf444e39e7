"""One pass over a long bank, a slice at a time: what a contrastive loss needs of its keys.

Legend: B queries, K bank keys, C keys of one slice, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from instdisc.heap import keep_freed_blocks
from instdisc.types import Bank

from .class_pairs import pairs_by_class
from .exponentials import Exponentials
from .products import Products
from .rules import Rule, Rules
from .weighted import WeightedExponentials
from .weights import Weights
from .whole import sum_whole_bank


class BankTerms(NamedTuple):
    """The sums over the bank of one loss.

    Attributes:
        log_sum: ``(B,)``, the log of the sum of w_j exp(s_j) over the bank keys in D_i; ``-inf``
            where there is none.
        positive_sum: ``(B, D)``, the sum of the bank keys in P_i, so that their similarities sum
            to ``query @ positive_sum / T``; ``None`` if no key can be one.
        num_positives: ``(B,)``, how many those are; ``None`` likewise.
        num_keys: ``(B,)``, how many bank keys are in D_i; ``None`` if nobody asked for it.
    """

    log_sum: Tensor
    positive_sum: Tensor | None
    num_positives: Tensor | None
    num_keys: Tensor | None


def sweep(
    query: Tensor,
    bank: Bank,
    *,
    labels: Tensor,
    temperature: float,
    positives: Rule,
    negatives: Rule,
    weights: Weights | None = None,
    counts_keys: bool = False,
) -> BankTerms:
    """Reads the bank once and keeps nothing of size B x K.

    For each slice of the bank it adds to a log-sum-exp (exact for vectors of any length at any
    temperature, see `Exponentials`) and, if a gradient will be wanted, to the sum of the keys
    weighted by their exponentials, which divided by the sum of the exponentials is the gradient. So
    the backward pass needs that one (B, D) tensor only. The rules are asked once for the classes
    in the bank where that pays (`pairs_by_class`), else for each slice.

    Nothing waits for a device. Under `torch.compile` the graph breaks here.

    Args:
        query: ``(B, D)``, float32 or float64; the dtype of all sums.
        bank: stored keys of any float dtype; nothing flows back into them.
        labels: ``(B,)`` int64.
        temperature: T.
        positives: marks the bank keys that attract; see `ContrastiveLoss`.
        negatives: marks those that repel.
        weights: of the terms of the sum; ``None`` for 1.
        counts_keys: whether `num_keys` is wanted.

    Returns:
        The sums; `log_sum` is differentiable with respect to `query`, once.

    Raises:
        ValueError: if a rule returns anything but ``None`` or a bool ``(B, C)``.

    Source:
        Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018), for the running
        maximum. Differs from it: the weighted keys are accumulated too.

    Example:
        >>> bank = Bank(torch.eye(2), torch.tensor([0, 1]))
        >>> every = lambda labels, bank_labels: None
        >>> sweep(
        ...     torch.eye(2)[:1], bank, labels=torch.tensor([0]), temperature=1.0,
        ...     positives=every, negatives=every,
        ... ).log_sum  # log(exp(1) + exp(0))
        tensor([1.3133])
    """
    needs_gradient = torch.is_grad_enabled() and query.requires_grad
    rules = Rules(labels, positives, negatives)
    if weights is not None and weights.are_one(query, bank.labels):
        weights = None
    if _fits_once(query, bank):
        log_sum, gradient, *rest = sum_whole_bank(
            query, bank, rules, weights, temperature=temperature, counts_keys=counts_keys
        )
        terms = BankTerms(log_sum, *rest)
    else:
        terms, gradient = _accumulate(
            query.detach(), bank, rules, weights, temperature, needs_gradient, counts_keys
        )
    if gradient is None or not needs_gradient:
        return terms
    log_sum = _WithGradient.apply(query, terms.log_sum, gradient)
    # Not `_replace`: the compiler of torch 2.11 stumbles over what it returns.
    return BankTerms(log_sum, terms.positive_sum, terms.num_positives, terms.num_keys)


def slices(bank: Bank, num_queries: int) -> Iterator[Bank]:
    """The bank in slices whose similarities to the queries stay near the cache.

    Args:
        bank: stored keys.
        num_queries: B.

    Yields:
        Views of consecutive keys, not copies.

    Example:
        >>> bank = Bank(torch.zeros(10_000, 128), torch.zeros(10_000, dtype=torch.int64))
        >>> [len(part.labels) for part in slices(bank, num_queries=256)]
        [4096, 4096, 1808]
    """
    length = slice_length(num_queries, bank.features.shape[1], bank.features.device)
    for start in range(0, len(bank.features), length):
        stop = start + length
        yield Bank(bank.features[start:stop].detach(), bank.labels[start:stop])


def slice_length(num_queries: int, dim: int, device: torch.device) -> int:
    """C: at most 4 MiB of float32 on a CPU, 64 MiB on an accelerator, but never below 256 keys.

    On a CPU 1 to 4 MiB take about the same time, 0.5 and 8 MiB 1.2 times as much; on an accelerator
    few large steps hide the cost of starting each. A multiple of 8.
    """
    size = 2**20 if device.type == "cpu" else 2**24
    return max(256, size // max(num_queries, dim) // 8 * 8)


def _fits_once(query: Tensor, bank: Bank) -> bool:
    """One slice, on a device where operators cost their start more than their passes."""
    length = slice_length(len(query), query.shape[1], query.device)
    return query.device.type != "cpu" and 0 < len(bank.features) <= length


@torch.compiler.disable
@torch.no_grad()
def _accumulate(
    query: Tensor,
    bank: Bank,
    rules: Rules,
    weights: Weights | None,
    temperature: float,
    needs_gradient: bool,
    counts_keys: bool,
) -> tuple[BankTerms, Tensor | None]:
    if query.device.type == "cpu":
        keep_freed_blocks()
    length = slice_length(len(query), query.shape[1], query.device)
    counted = counts_keys or (weights is not None and weights.are_relative)
    pairs = pairs_by_class(rules, query, bank.labels, length, counts_keys=counted)
    exponentials = (
        Exponentials(query, weighted=needs_gradient)
        if weights is None
        else WeightedExponentials(query, weights, weighted=needs_gradient)
    )
    products = Products(query * (exponentials.unit / temperature), bank.features.dtype)

    def scores() -> Tensor:
        similarities = products.scores()
        pairs.exclude(similarities)
        return similarities

    for keys, bank_labels in slices(bank, len(query)):
        products.load(keys)
        pairs.load(bank_labels)
        if isinstance(exponentials, WeightedExponentials):
            exponentials.add(pairs, products, bank_labels)
        else:
            exponentials.add(scores, products)
        pairs.add_positives(products)  # last, when the keys lie in the cache
    num_keys = pairs.num_keys() if counts_keys else None
    log_sum = (
        exponentials.log_sum(pairs.num_keys())
        if isinstance(exponentials, WeightedExponentials)
        else exponentials.log_sum()
    )
    mean = exponentials.mean()
    terms = BankTerms(log_sum, *pairs.positives(), num_keys)
    return terms, None if mean is None else mean / temperature


class _WithGradient(torch.autograd.Function):
    """Gives a value (B,) the gradient (B, D) with respect to the queries that is known already."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return outer[:, None] * gradient, None, None
