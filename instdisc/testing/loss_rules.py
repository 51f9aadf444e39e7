"""What a contrastive loss says of pairs must not depend on the slice in which they come.

Legend: B queries, K bank keys.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from instdisc.losses import ContrastiveLoss
from instdisc.losses.contrastive import overrides

Rule = Callable[[Tensor, Tensor], Tensor | None]
_Answer = Callable[[slice, slice], Tensor]  # to slices of queries and keys
_ALL = slice(None)


def check_rules(
    loss: ContrastiveLoss, similarities: Tensor, labels: Tensor, bank_labels: Tensor
) -> None:
    """Checks what a loss says of pairs, at once and in slices.

    Args:
        loss: a subclass of `ContrastiveLoss`.
        similarities: ``(B, K)``.
        labels: ``(B,)`` int64.
        bank_labels: ``(K,)`` int64.

    Raises:
        AssertionError: if an answer breaks the contract; the message says how.
    """
    shape = similarities.shape
    for name, default in (("positives", False), ("negatives", True)):  # what None stands for
        rule = getattr(loss, name)
        mask = rule(labels, bank_labels)
        if mask is not None:
            check(
                mask.shape == shape and mask.dtype == torch.bool,
                f"`{name}` must return None or a bool tensor (B, K) = {tuple(shape)}, "
                f"got {mask.dtype} {tuple(mask.shape)}",
            )

        def marked(rows: slice, keys: slice, rule: Rule = rule, default: bool = default) -> Tensor:
            answer = rule(labels[rows], bank_labels[keys])
            return torch.full(shape, default)[rows, keys] if answer is None else answer

        _check_slices(name, marked, shape, "the two labels")
    if overrides(loss, "weights") or overrides(loss, "log_weights"):
        _check_weights(loss, similarities, labels, bank_labels)
    if overrides(loss, "log_bank_sum"):
        _check_sum(loss, similarities)


def check(condition: bool, fault: str) -> None:
    """Raises an AssertionError that says what is wrong.

    Example:
        >>> check(True, "nothing")
    """
    if not condition:
        raise AssertionError(fault)


def _check_weights(
    loss: ContrastiveLoss, similarities: Tensor, labels: Tensor, bank_labels: Tensor
) -> None:
    both = overrides(loss, "weights") and overrides(loss, "log_weights")
    check(
        not both, "`weights` and `log_weights` are overridden, and only the latter would be asked"
    )
    name = "log_weights" if overrides(loss, "log_weights") else "weights"
    ask = getattr(loss, name)

    def weights(rows: slice, keys: slice) -> Tensor | None:
        answer: Tensor | None = ask(similarities[rows, keys], labels[rows], bank_labels[keys])
        return answer

    complete = weights(_ALL, _ALL)
    check(
        (complete is None) == (weights(_ALL, slice(0)) is None),
        f"`{name}` must return None always or never: a slice without keys is asked first",
    )
    if complete is None:
        return
    check(
        complete.shape == similarities.shape and complete.dtype == similarities.dtype,
        f"`{name}` must return None or a tensor (B, K) = {tuple(similarities.shape)} of the dtype "
        f"of `similarities`, {similarities.dtype}, got {complete.dtype} {tuple(complete.shape)}",
    )
    if name == "weights":
        check(bool((complete >= 0).all()), "`weights` must be at least 0, and no nan")
    check(not bool(complete.isnan().any()), f"`{name}` returns nan")

    def number(rows: slice, keys: slice) -> Tensor:
        answer = weights(rows, keys)
        return torch.zeros(0) if answer is None else answer

    _check_slices(name, number, similarities.shape, "the similarity and the two labels")


def _check_sum(loss: ContrastiveLoss, similarities: Tensor) -> None:
    log_sum, key_similarity = similarities[:, :-1].logsumexp(1), similarities[:, -1]
    log_sum = torch.cat([log_sum, log_sum.new_full((1,), -torch.inf)])  # and an empty bank
    num_keys = torch.full_like(log_sum, similarities.shape[1] - 1)
    num_keys[-1] = 0
    inputs = log_sum, torch.cat([key_similarity, key_similarity[:1]]), num_keys
    complete = loss.log_bank_sum(*inputs)
    check(
        complete.shape == log_sum.shape and complete.dtype == log_sum.dtype,
        f"`log_bank_sum` must return (B,) {log_sum.dtype} like `log_sum`, "
        f"got {complete.dtype} {tuple(complete.shape)}",
    )
    check(
        bool((complete < torch.inf).all()),
        f"`log_bank_sum` is {complete.tolist()} for log_sum={log_sum.tolist()}, "
        f"num_keys={num_keys.tolist()}: it must be below infinity, and no nan",
    )
    rows = zip(*(each.split(1) for each in inputs), strict=True)
    single = torch.cat([loss.log_bank_sum(*row) for row in rows])
    check(
        torch.allclose(single, complete, equal_nan=True),
        "`log_bank_sum` answers otherwise for a query alone than for the batch",
    )


def _check_slices(name: str, answer: _Answer, shape: torch.Size, looks_at: str) -> None:
    complete = answer(_ALL, _ALL)
    by_key = [answer(_ALL, slice(j, j + 1)) for j in range(shape[1])]
    by_query = [answer(slice(i, i + 1), _ALL) for i in range(shape[0])]
    for parts, dim, of, others in (
        (by_key, 1, "bank", "keys"),
        (by_query, 0, "batch", "queries"),
    ):
        size = complete.numel() // shape[dim]
        same = all(part.numel() == size and part.ndim == 2 for part in parts) and torch.allclose(
            torch.cat(parts, dim).to(torch.float64), complete.to(torch.float64), rtol=1e-5
        )
        check(
            same,
            f"`{name}` answers otherwise for a slice of the {of} than for the whole. The bank "
            f"is read slice by slice, so a rule must look at {looks_at} of a pair alone, "
            f"not at positions, at the number of labels or at other {others}",
        )
