"""Every loss: the public battery, published formulas, lightly, closed forms."""

import math

import pytest
import torch
from torch.nn import functional as F

from instdisc.losses import (
    ContrastiveLoss,
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    SupConLoss,
)
from instdisc.testing import check_loss
from instdisc.testing.losses import naive_loss
from instdisc.types import Bank

LOSSES = [
    ContrastiveLoss,
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    ExemplarLoss,
    SupConLoss,
]


def unit(rows, dim=16, dtype=torch.float32):
    return F.normalize(torch.randn(rows, dim, dtype=dtype), dim=1)


def inputs(batch=8, size=64, classes=5, dim=16, dtype=torch.float64):
    bank = Bank(unit(size, dim, dtype), torch.randint(-1, classes, (size,)))
    return unit(batch, dim, dtype), unit(batch, dim, dtype), bank, torch.arange(batch) % classes


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_battery(loss_class, temperature):
    check_loss(loss_class(temperature))


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_equals_naive_double_loop(loss_class, with_key):
    query, key, bank, labels = inputs()
    loss, own = loss_class(0.1), key if with_key else None
    expected = naive_loss(loss, query, own, bank, labels)
    assert float(loss(query, own, bank, labels)) == pytest.approx(expected, abs=1e-6)


def lightly_loss(temperature, bank=None):
    from lightly.loss import NTXentLoss

    if bank is None:
        return NTXentLoss(temperature=temperature)
    reference = NTXentLoss(temperature=temperature, memory_bank_size=bank.features.shape)
    reference.memory_bank.bank = bank.features.clone()
    reference.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.long)
    return reference


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_instance_discrimination_equals_lightly(temperature):
    query, key, bank, labels = inputs(dtype=torch.float32)
    ours, theirs = query.clone().requires_grad_(), query.clone().requires_grad_()
    # lightly normalises inside its loss, so its gradient lies in the tangent of the sphere.
    value = InstanceDiscriminationLoss(temperature)(F.normalize(ours, dim=1), key, bank, labels)
    expected = lightly_loss(temperature, bank)(theirs, key)
    value.backward()
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-5)


def test_supcon_with_unique_labels_equals_lightly_without_bank():
    # NT-Xent over 2B views: each view's positive is the other view, all 2B - 1 others repel.
    views = unit(8, dtype=torch.float32)
    pairs = views.view(2, 4, -1)
    expected = lightly_loss(0.2)(pairs[0], pairs[1])
    labels = torch.arange(4).repeat(2)
    terms = []
    for i in range(8):  # a bank without the query itself
        others = torch.arange(8) != i
        bank = Bank(views[others], labels[others])
        terms.append(SupConLoss(0.2)(views[i : i + 1], None, bank, labels[i : i + 1]))
    assert float(torch.stack(terms).mean()) == pytest.approx(float(expected), abs=1e-6)


def test_exemplar_equals_moco_when_all_labels_differ():
    query, key, bank, _ = inputs()
    bank = Bank(bank.features, torch.arange(64) + 100)
    labels = torch.arange(8)
    exemplar = ExemplarLoss(0.2)(query, key, bank, labels)
    assert torch.equal(exemplar, InstanceDiscriminationLoss(0.2)(query, key, bank, labels))


def test_exemplar_is_zero_when_the_queue_holds_the_own_class_only():
    query, key, bank, _ = inputs()
    bank = Bank(bank.features, torch.full((64,), 3))
    query.requires_grad_()
    value = ExemplarLoss(0.2)(query, key, bank, torch.full((8,), 3))
    value.backward()
    assert value.item() == 0.0
    assert torch.equal(query.grad, torch.zeros_like(query))


def test_exemplar_ignores_same_class_keys_altogether():
    query, key, bank, labels = inputs()
    moved = bank.features.clone()
    own_class = bank.labels == labels[0]
    moved[own_class] = unit(int(own_class.sum()), dtype=torch.float64)
    loss = ExemplarLoss(0.2)
    before = loss(query[:1], key[:1], bank, labels[:1])
    after = loss(query[:1], key[:1], Bank(moved, bank.labels), labels[:1])
    assert torch.equal(before, after)


def test_supcon_equals_the_formula_of_islam():
    """Mean over the positives of -log softmax over the whole queue, divided by |P| + 1e-5."""
    temperature = 0.07
    query, _, bank, labels = inputs(size=200)
    logits = query @ bank.features.T / temperature
    log_probability = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    mask = labels[:, None] == bank.labels[None, :]
    count = mask.sum(1)
    theirs = -(mask * log_probability).sum(1) / (count + 1e-5)
    ours = SupConLoss(temperature)(query, None, bank, labels)
    # Ours without their 1e-5 in the denominator, which is all that differs.
    assert float(ours) == pytest.approx(float((theirs * (count + 1e-5) / count).mean()), abs=1e-9)
    assert float(ours) == pytest.approx(float(theirs.mean()), rel=1.1e-5)


def test_same_class_negatives_equals_masked_softmax():
    query, key, bank, labels = inputs()
    own = (query * key).sum(1, keepdim=True) / 0.1
    logits = query @ bank.features.T / 0.1
    logits = logits.masked_fill(labels[:, None] != bank.labels[None, :], -torch.inf)
    expected = F.cross_entropy(torch.cat([own, logits], 1), torch.zeros(8, dtype=torch.long))
    value = SameClassNegativesLoss(0.1)(query, key, bank, labels)
    assert float(value) == pytest.approx(float(expected), abs=1e-9)


def test_closed_form_of_orthogonal_keys():
    # One aligned key, K orthogonal negatives: log(1 + K exp(-1 / T)).
    query = torch.eye(8, dtype=torch.float64)[:1]
    bank = Bank(torch.eye(8, dtype=torch.float64)[1:], torch.arange(7))
    value = InstanceDiscriminationLoss(0.5)(query, query, bank, torch.tensor([0]))
    assert float(value) == pytest.approx(math.log(1 + 7 * math.exp(-2)), abs=1e-12)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_bad_temperature(temperature):
    with pytest.raises(ValueError, match="`temperature` must be a finite number above 0, got"):
        InstanceDiscriminationLoss(temperature)


def test_float16_autocast_stays_finite_at_low_temperature():
    query, key, bank, labels = inputs(dtype=torch.float32)
    loss = SupConLoss(0.01)
    expected = loss(query, key, bank, labels)
    with torch.autocast("cpu", dtype=torch.float16):
        value = loss(query.half(), key.half(), bank, labels)
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(float(expected), rel=1e-2)
