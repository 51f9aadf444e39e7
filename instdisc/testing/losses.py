"""One battery for every contrastive loss.

Legend: B queries, K bank keys, D width.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.losses import ContrastiveLoss
from instdisc.types import UNKNOWN_LABEL, Bank

Rule = Callable[[Tensor, Tensor], Tensor | None]

_B, _K, _D, _CLASSES = 6, 20, 8, 3


def check_loss(loss: ContrastiveLoss) -> None:
    """Checks that a subclass of `ContrastiveLoss` keeps the contract of the class.

    It is compared with a double loop over single query-key pairs; the order of the queries and of
    the bank, the numbering of the classes and the slices in which the bank is read must not matter;
    the gradient must be right
    (`torch.autograd.gradcheck`), stay finite in corner cases and never reach the bank; the value
    must be computed in float32 under autocast; nothing in the loss may change; wrong shapes must be
    refused.

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
    _check(
        type(loss).forward is ContrastiveLoss.forward,
        "`forward` is overridden: override `positives` and `negatives` instead",
    )
    before = copy.deepcopy(loss.__dict__)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _check_masks(loss)
        _check_formula(loss)
        _check_invariances(loss)
        _check_gradient(loss)
        _check_precision(loss)
        _check_corners(loss)
        _check_shapes(loss)
    _check(
        str(before) == str(loss.__dict__),
        "the loss changed while it was used: a loss has no state",
    )


def naive_loss(
    loss: ContrastiveLoss, query: Tensor, key: Tensor | None, bank: Bank, labels: Tensor
) -> float:
    """The formula of `ContrastiveLoss`, one pair at a time, in double precision."""
    terms = []
    for i in range(len(query)):
        similar = [float(query[i].double() @ k.double()) / loss.temperature for k in bank.features]
        positives, denominator = [], []
        for j, s in enumerate(similar):
            pair = labels[i : i + 1], bank.labels[j : j + 1]
            is_positive, is_negative = loss.positives(*pair), loss.negatives(*pair)
            if is_positive is not None and bool(is_positive):
                positives.append(s)
                denominator.append(s)
            elif is_negative is None or bool(is_negative):
                denominator.append(s)
        if key is not None:
            key_similarity = float(query[i].double() @ key[i].double()) / loss.temperature
            positives.append(key_similarity)
            denominator.append(key_similarity)
        if not positives:
            terms.append(0.0)
            continue
        top = max(denominator)
        log_sum = top + math.log(sum(math.exp(s - top) for s in denominator))
        terms.append(sum(log_sum - s for s in positives) / len(positives))
    return sum(terms) / len(terms)


def _check_masks(loss: ContrastiveLoss) -> None:
    _, _, bank, labels = _inputs()
    for name in ("positives", "negatives"):
        mask = getattr(loss, name)(labels, bank.labels)
        if mask is None:
            continue
        _check(
            mask.shape == (_B, _K) and mask.dtype == torch.bool,
            f"`{name}` must return None or a bool tensor (B, K) = ({_B}, {_K}), "
            f"got {mask.dtype} {tuple(mask.shape)}",
        )
    _check_slices(loss)


def _check_slices(loss: ContrastiveLoss) -> None:
    _, _, bank, labels = _inputs()
    for name, default in (("positives", False), ("negatives", True)):  # what None stands for
        rule = getattr(loss, name)

        def marked(rows: slice, keys: slice, rule: Rule = rule, default: bool = default) -> Tensor:
            mask = rule(labels[rows], bank.labels[keys])
            return torch.full((_B, _K), default)[rows, keys] if mask is None else mask

        complete = marked(slice(None), slice(None))
        by_key = [marked(slice(None), slice(j, j + 1)) for j in range(_K)]
        by_query = [marked(slice(i, i + 1), slice(None)) for i in range(_B)]
        for parts, dim, of, others in (
            (by_key, 1, "bank", "keys"),
            (by_query, 0, "batch", "queries"),
        ):
            same = all(part.numel() in (_B, _K) for part in parts) and torch.equal(
                torch.cat(parts, dim), complete
            )
            _check(
                same,
                f"`{name}` answers otherwise for a slice of the {of} than for the whole. The bank "
                "is read slice by slice, so a rule must look at the two labels of a pair alone, "
                f"not at positions, at the number of labels or at other {others}",
            )


def _check_formula(loss: ContrastiveLoss) -> None:
    query, key, bank, labels = _inputs()
    for keys in (key, None):
        value = loss(query, keys, bank, labels)
        expected = naive_loss(loss, query, keys, bank, labels)
        _check(value.ndim == 0, f"the loss must be a scalar, got {tuple(value.shape)}")
        _check(
            abs(float(value) - expected) <= 1e-5 * max(1.0, abs(expected)),
            f"the loss is {float(value)}, a double loop over pairs gives {expected} "
            f"(key {'given' if keys is not None else 'None'}): do `positives` and `negatives` look "
            "at anything but the labels of the pair?",
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
    _check(bank.features.grad is None, "gradient flows into the bank: stored keys are constants")
    for name, tensor in (("query", query), ("key", key)):
        grad = tensor.grad
        _check(
            grad is not None and bool(torch.isfinite(grad).all()),
            f"no finite gradient reaches `{name}`",
        )
    fixed = Bank(bank.features.detach(), bank.labels)
    right = torch.autograd.gradcheck(
        lambda q, k: loss(q, k, fixed, labels), (query, key), raise_exception=False
    )
    _check(bool(right), "the gradient is not that of the value (gradcheck)")


def _check_precision(loss: ContrastiveLoss) -> None:
    query, key, bank, labels = _inputs()
    expected = loss(query, key, bank, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(query, key, bank, labels)
    _check(value.dtype == torch.float32, f"under autocast the loss is {value.dtype}, not float32")
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
            for keys in (key, None):
                value = each(query, keys, Bank(bank.features, bank_labels.long()), labels.long())
                (grad,) = torch.autograd.grad(value, query, allow_unused=True)
                finite = grad is None or bool(torch.isfinite(grad).all())
                _check(
                    bool(torch.isfinite(value)) and finite,
                    f"not finite with {case}, temperature {each.temperature}",
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


def _inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Bank, Tensor]:
    def unit(rows: int) -> Tensor:
        return F.normalize(torch.randn(rows, _D, dtype=dtype), dim=1)

    bank_labels = torch.arange(_K) % (_CLASSES + 1) - 1  # unknown ones among them
    return unit(_B), unit(_B), Bank(unit(_K), bank_labels), torch.arange(_B) % _CLASSES


def _rename(labels: Tensor, names: Tensor) -> Tensor:
    return torch.where(labels >= 0, names[labels.clamp(min=0)], labels)


def _close(value: Tensor, expected: Tensor, fault: str) -> None:
    _check(
        bool(torch.isclose(value, expected, rtol=1e-5, atol=1e-6)),
        f"{fault}: {float(value)} instead of {float(expected)}",
    )


def _check(condition: bool, fault: str) -> None:
    if not condition:
        raise AssertionError(fault)
