"""A bank summed at once, as accelerators do, equals the sweep of a CPU."""

import pytest
import torch
from torch.nn import functional as F

from instdisc.losses import (
    ContrastiveLoss,
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    SupConLoss,
    same_class,
    sweep,
)
from instdisc.types import Bank


class Partial(ContrastiveLoss):
    """Attracts within the class and is repelled by some classes only: both rules at once."""

    def positives(self, labels, bank_labels):
        return same_class(labels, bank_labels)

    def negatives(self, labels, bank_labels):
        return ((labels[:, None] + bank_labels) % 2 == 0) & (bank_labels >= 0)


LOSSES = [
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    ExemplarLoss,
    SupConLoss,
    Partial,
]


def value_and_gradient(loss, query, key, bank, labels):
    query = query.clone().requires_grad_()
    value = loss(query, key, bank, labels)
    value.backward()
    return value.detach(), query.grad


@pytest.mark.parametrize("own", ["given", "in the bank"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [0.01, 0.2])
@pytest.mark.parametrize("kind", LOSSES)
def test_equals_the_sweep(kind, temperature, dtype, own, monkeypatch):
    query, key = F.normalize(torch.randn(2, 6, 8, dtype=dtype), dim=2)
    bank = Bank(F.normalize(torch.randn(50, 8, dtype=dtype), dim=1), torch.randint(-1, 4, (50,)))
    labels = torch.tensor([-1, 0, 1, 2, 3, 99])  # a class that no key has, and none
    loss = kind(temperature)
    key = key if own == "given" else None
    expected = value_and_gradient(loss, query, key, bank, labels)
    monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    result = value_and_gradient(loss, query, key, bank, labels)
    # Similarities of up to 1 / T are rounded, and what they are rounded by is multiplied by 1 / T.
    error = torch.finfo(dtype).eps / temperature * 10
    torch.testing.assert_close(result, expected, rtol=error, atol=error)


@pytest.mark.parametrize("kind", LOSSES)
def test_without_any_key(kind, monkeypatch):
    monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    query = F.normalize(torch.randn(3, 4), dim=1)
    bank = Bank(query.clone(), torch.full((3,), 7))
    labels = torch.tensor([1, 2, 4])
    value, gradient = value_and_gradient(kind(0.1), query, None, bank, labels)
    assert value == 0
    assert torch.equal(gradient, torch.zeros_like(query))
    value, gradient = value_and_gradient(kind(0.1), query, query.flip(0), bank, labels)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_bad_rule(monkeypatch):
    monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)

    class Bad(ContrastiveLoss):
        def negatives(self, labels, bank_labels):
            return torch.ones(2, 3)

    query = torch.eye(2)
    bank = Bank(torch.eye(2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"`negatives` must return None or a bool tensor \(2, 2\)"):
        Bad(0.1)(query, query, bank, torch.zeros(2, dtype=torch.int64))


def test_which_banks():
    """Those of one slice, where kernels are started one by one."""
    query = torch.empty(256, 128, device="meta")
    for keys, whole in ((0, False), (65_536, True), (65_537, False)):
        features = torch.empty(keys, 128, device="meta")
        bank = Bank(features, torch.empty(keys, dtype=torch.int64, device="meta"))
        assert sweep._fits_once(query, bank) == whole
    there = Bank(torch.empty(10, 128), torch.empty(10, dtype=torch.int64))
    assert not sweep._fits_once(torch.empty(256, 128), there)
