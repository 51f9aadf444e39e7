"""One battery for every contrastive loss.

Legend: B queries, K bank keys, D width.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.losses import ContrastiveLoss
from instdisc.losses.contrastive import overrides
from instdisc.types import UNKNOWN_LABEL, Bank

from .loss_rules import check, check_rules
from .naive_loss import naive_loss, naive_value

_B, _K, _D, _CLASSES = 6, 20, 8, 3


def check_loss(loss: ContrastiveLoss) -> None:
    """Checks that a subclass of `ContrastiveLoss` keeps the contract of the class.

    It is compared with a double loop over single query-key pairs; the order of the queries and of
    the bank, the numbering of the classes and the slices in which the bank is read must not matter;
    weights must be at least 0; the gradient must be that of the loop (and by
    `torch.autograd.gradcheck` that of the value, but where the weights are constants), stay finite
    in corner cases and never reach the bank; the value must be computed in float32 under autocast;
    nothing in the loss may change; wrong shapes must be refused.

    Args:
        loss: what to check; it is not changed.

    Raises:
        AssertionError: if the loss breaks the contract; the message says how.
        TypeError: if it is no `ContrastiveLoss`.

    Example:
        >>> from instdisc.losses import ExemplarLoss
        >>> check_loss(ExemplarLoss(temperature=0.2))
    """
    checks.arguments(check_loss, locals())
    check(
        type(loss).forward is ContrastiveLoss.forward,
        "`forward` is overridden: override `positives`, `negatives` and `weights` instead",
    )
    before = copy.deepcopy(loss.__dict__)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        query, _, bank, labels = _inputs()
        similarities = query @ bank.features.T / loss.temperature
        check_rules(loss, similarities, labels, bank.labels)
        _check_formula(loss)
        _check_invariances(loss)
        _check_gradient(loss)
        _check_precision(loss)
        _check_corners(loss)
        _check_shapes(loss)
    check(
        str(before) == str(loss.__dict__),
        "the loss changed while it was used: a loss has no state",
    )


def _check_formula(loss: ContrastiveLoss) -> None:
    query, key, bank, labels = _inputs()
    for keys in _with_and_without(loss, key):
        value = loss(query, keys, bank, labels)
        expected = naive_loss(loss, query, keys, bank, labels)
        check(value.ndim == 0, f"the loss must be a scalar, got {tuple(value.shape)}")
        check(
            abs(float(value) - expected) <= 1e-5 * max(1.0, abs(expected)),
            f"the loss is {float(value)}, a double loop over pairs gives {expected} "
            f"(key {'given' if keys is not None else 'None'}): do its methods look at anything but "
            "the pair?",
        )


def _check_invariances(loss: ContrastiveLoss) -> None:
    query, key, bank, labels = _inputs()
    value = loss(query, key, bank, labels)
    rows, columns = torch.randperm(_B), torch.randperm(_K)
    moved = loss(
        query[rows],
        key[rows],
        Bank(bank.features[columns], bank.labels[columns]),
        labels[rows],
    )
    _close(moved, value, "the order of the queries or of the bank matters")
    names = torch.tensor([7, 0, 4])
    renamed = loss(
        query, key, Bank(bank.features, _rename(bank.labels, names)), _rename(labels, names)
    )
    _close(renamed, value, "the numbering of the classes matters")
    half = _B // 2
    halves = [
        loss(query[part], key[part], bank, labels[part])
        for part in (slice(half), slice(half, None))
    ]
    _close((halves[0] + halves[1]) / 2, value, "a batch is not the mean of its halves")


def _check_gradient(loss: ContrastiveLoss) -> None:
    query, key, bank, labels = _inputs(torch.float64)
    bank = Bank(bank.features.requires_grad_(), bank.labels)
    query.requires_grad_()
    key.requires_grad_()
    loss(query, key, bank, labels).backward()
    check(bank.features.grad is None, "gradient flows into the bank: stored keys are constants")
    for name, tensor in (("query", query), ("key", key)):
        grad = tensor.grad
        check(
            grad is not None and bool(torch.isfinite(grad).all()),
            f"no finite gradient reaches `{name}`",
        )
    fixed = Bank(bank.features.detach(), bank.labels)
    expected = torch.autograd.grad(naive_value(loss, query, key, fixed, labels), (query, key))
    for name, tensor, reference in zip(("query", "key"), (query, key), expected, strict=True):
        check(
            tensor.grad is not None
            and torch.allclose(tensor.grad, reference, rtol=1e-6, atol=1e-8),
            f"the gradient of `{name}` is not that of a double loop over pairs",
        )
    has_weights = overrides(loss, "weights") or overrides(loss, "log_weights")
    if has_weights and not loss.weights_have_gradient:
        return  # numerical derivatives would be those of the weights, too
    right = torch.autograd.gradcheck(
        lambda q, k: loss(q, k, fixed, labels), (query, key), raise_exception=False
    )
    check(bool(right), "the gradient is not that of the value (gradcheck)")


def _check_precision(loss: ContrastiveLoss) -> None:
    query, key, bank, labels = _inputs()
    expected = loss(query, key, bank, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(query, key, bank, labels)
    check(value.dtype == torch.float32, f"under autocast the loss is {value.dtype}, not float32")
    _close(value, expected, "autocast changes the value: the softmax is not in float32")


def _check_corners(loss: ContrastiveLoss) -> None:
    cases = {
        "all of one class": (torch.zeros(_B), torch.zeros(_K)),
        "no class in common": (torch.arange(_B), torch.arange(_K) + _B),
        "no label known": (torch.full((_B,), UNKNOWN_LABEL), torch.full((_K,), UNKNOWN_LABEL)),
    }
    sharp = copy.deepcopy(loss)
    sharp.temperature = 0.01
    for case, (labels, bank_labels) in cases.items():
        for each in (loss, sharp):
            query, key, bank, _ = _inputs()
            query.requires_grad_()
            for keys in _with_and_without(loss, key):
                value = each(query, keys, Bank(bank.features, bank_labels.long()), labels.long())
                (grad,) = torch.autograd.grad(value, query, allow_unused=True)
                finite = grad is None or bool(torch.isfinite(grad).all())
                check(
                    bool(torch.isfinite(value)) and finite,
                    f"not finite with {case}, temperature {each.temperature}"
                    + (": override `log_weights` instead" if overrides(loss, "weights") else ""),
                )


def _check_shapes(loss: ContrastiveLoss) -> None:
    query, key, bank, labels = _inputs()
    wrong = {
        "a key of another shape": (query, key[:, 1:], bank, labels),
        "a bank of another width": (query, key, Bank(bank.features[:, 1:], bank.labels), labels),
        "too few labels": (query, key, bank, labels[1:]),
        "too few bank labels": (query, key, Bank(bank.features, bank.labels[1:]), labels),
    }
    for case, arguments in wrong.items():
        try:
            loss(*arguments)
        except ValueError:
            continue
        raise AssertionError(f"{case} is not refused with a ValueError")


def _with_and_without(loss: ContrastiveLoss, key: Tensor) -> list[Tensor | None]:
    return [key] if overrides(loss, "log_bank_sum") else [key, None]


def _inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Bank, Tensor]:
    def unit(rows: int) -> Tensor:
        return F.normalize(torch.randn(rows, _D, dtype=dtype), dim=1)

    bank_labels = torch.arange(_K) % (_CLASSES + 1) - 1  # unknown ones among them
    return unit(_B), unit(_B), Bank(unit(_K), bank_labels), torch.arange(_B) % _CLASSES


def _rename(labels: Tensor, names: Tensor) -> Tensor:
    return torch.where(labels >= 0, names[labels.clamp(min=0)], labels)


def _close(value: Tensor, expected: Tensor, fault: str) -> None:
    check(
        bool(torch.isclose(value, expected, rtol=1e-5, atol=1e-6)),
        f"{fault}: {float(value)} instead of {float(expected)}",
    )
