"""Asking the rules by class equals asking them by pair, and the loss is right either way.

Legend: B queries, K bank keys, C keys of one slice.
"""

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from instdisc.losses import (
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    SupConLoss,
    class_pairs,
    exponentials,
    rules,
    same_class,
    sweep,
)
from instdisc.losses.class_pairs import ClassPairs, pairs_by_class
from instdisc.losses.classes import Classes
from instdisc.losses.products import Products
from instdisc.losses.rules import MaskedPairs, Rules
from instdisc.testing.losses import naive_loss
from instdisc.types import Bank

LOSSES = [InstanceDiscriminationLoss, SameClassNegativesLoss, ExemplarLoss, SupConLoss]
C = 16
HOST_WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select"}


class Called(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.fixture
def short(monkeypatch):
    """Slices of C keys, so that a small bank takes several."""
    monkeypatch.setattr(sweep, "slice_length", lambda *sizes: C)


@pytest.fixture
def blind(monkeypatch):
    """The code of an accelerator, on the CPU."""
    for module in (rules, class_pairs, exponentials):
        monkeypatch.setattr(module, "can_look", lambda device: False)


def unit(rows, dim=12):
    return F.normalize(torch.randn(rows, dim), dim=1)


def inputs(batch=5, size=50, classes=4):
    bank = Bank(unit(size), torch.randint(-1, classes, (size,)))
    return unit(batch), unit(batch), bank, torch.randint(-1, classes, (batch,))


def value_and_gradient(loss, query, *rest):
    leaf = query.clone().requires_grad_()
    value = loss(leaf, *rest)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def near(labels, bank_labels):
    """A rule that isn't equality, is not symmetric and marks unknown classes."""
    return (labels[:, None] <= bank_labels) & (bank_labels < labels[:, None] + 2)


def rarely(labels, bank_labels):
    return ~same_class(labels, bank_labels)


def none(labels, bank_labels):
    return None


@pytest.mark.parametrize("rule", [none, same_class, near, rarely])
@pytest.mark.parametrize("other", [none, same_class, near, rarely])
@pytest.mark.parametrize("size", [5, C, 100])
def test_equals_the_masks(rule, other, size):
    query, _, bank, labels = inputs(7, size, classes=9)
    bank.labels[:] = bank.labels.where(bank.labels != 3, 5)
    asked = Rules(labels, rule, other)
    by_class = ClassPairs(asked, query, Classes(bank.labels, -1, 10, C))
    by_mask = MaskedPairs(asked, query)
    products = Products(query, torch.float32)
    for start in range(0, size, C):
        keys, bank_labels = bank.features[start : start + C], bank.labels[start : start + C]
        products.load(keys)
        lowered = []
        for pairs in (by_class, by_mask):
            scores = torch.zeros(7, len(keys))
            pairs.load(bank_labels)
            pairs.exclude(scores)
            pairs.add_positives(products)
            lowered.append(scores)
        assert torch.equal(*lowered)
    for ours, reference in zip(by_class.positives(), by_mask.positives(), strict=True):
        torch.testing.assert_close(ours, reference)


def test_a_table_only_where_it_is_smaller_than_the_bank():
    query, _, bank, labels = inputs(size=64)
    asked = Rules(labels, none, same_class)

    def kind(bank_labels, slice_length=C):
        return type(pairs_by_class(asked, query, bank_labels, slice_length))

    assert kind(bank.labels) is ClassPairs
    assert kind(torch.arange(64)) is ClassPairs
    assert kind(torch.arange(65)) is MaskedPairs  # a range above 4 C
    assert kind(torch.arange(20) * 2) is MaskedPairs  # more classes than keys
    assert kind(bank.labels[:C]) is MaskedPairs  # a single slice
    assert kind(bank.labels[:0]) is MaskedPairs
    extremes = torch.tensor([torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max])
    assert kind(extremes.repeat(C)) is MaskedPairs


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_labels_far_apart_change_nothing(short, loss_class, with_key):
    query, key, bank, labels = inputs()
    own, loss = key if with_key else None, loss_class(0.1)
    value, gradient = value_and_gradient(loss, query, own, bank, labels)
    far = [torch.where(each >= 0, each * 10**12, each) for each in (bank.labels, labels)]
    spread = Bank(bank.features, far[0])
    other, other_gradient = value_and_gradient(loss, query, own, spread, far[1])
    torch.testing.assert_close(other, value)
    torch.testing.assert_close(other_gradient, gradient)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_the_code_of_an_accelerator_equals_and_never_waits(short, blind, request, loss_class):
    query, key, bank, labels = inputs(8, 64)
    loss = loss_class(0.1)
    with Called() as called:
        value, gradient = value_and_gradient(loss, query, key, bank, labels)
    assert not HOST_WAITS & set(called.names)
    request.getfixturevalue("monkeypatch").undo()
    expected, reference = value_and_gradient(loss, query, key, bank, labels)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, reference, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_repeats_bit_for_bit(short, loss_class):
    arguments = inputs(8, 64)
    first, again = (value_and_gradient(loss_class(0.1), *arguments) for _ in range(2))
    assert all(map(torch.equal, first, again))


def test_only_the_first_slice_pays_for_the_maximum(short):
    query, key, bank, labels = inputs(8, 10 * C)
    with Called() as called:
        InstanceDiscriminationLoss(0.07)(query, key, bank, labels)
    assert called.names.count("aten::sub_.Tensor") == 1
    assert called.names.count("aten::exp2_") == 10


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_similarities_that_rise_from_slice_to_slice(short, loss_class, scale):
    """Beyond what float32 holds as a power: the shift has to move, on some queries and not all."""
    query, key, bank, labels = inputs(6, 5 * C)
    rise = torch.linspace(0.01, 1, 5 * C)[:, None] * scale
    rising = Bank(bank.features * rise, bank.labels)
    falling = Bank(rising.features.flip(0), rising.labels.flip(0))
    loss = loss_class(0.1)
    for each in (rising, falling):
        value, gradient = value_and_gradient(loss, query, key, each, labels)
        exact = Bank(each.features.double(), each.labels)
        expected, reference = value_and_gradient(loss, query.double(), key.double(), exact, labels)
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
        naive = naive_loss(loss, query, key, each, labels)
        assert float(value) == pytest.approx(naive, rel=1e-5, abs=1e-5)
        size = max(1.0, scale / loss.temperature)
        torch.testing.assert_close(gradient.double() / size, reference / size, rtol=0, atol=1e-5)


def test_queries_whose_first_key_comes_late(short, monkeypatch):
    """Until then they have no maximum; theirs lies 140 bits below that of the others."""
    calls, scores = [], Products.scores
    monkeypatch.setattr(Products, "scores", lambda self: calls.append(self) or scores(self))
    query = unit(1).repeat(2, 1)
    keys = torch.cat([query[:1].repeat(2 * C, 1), -query[:1].repeat(C, 1)])
    bank = Bank(keys, torch.tensor([0, 0, 1]).repeat_interleave(C))
    labels = torch.tensor([0, 1])
    value = SameClassNegativesLoss(0.01)(query, -query, bank, labels)
    # Own key at -100; the first query's bank keys at 100, the second's at -100.
    expected = (200 + torch.tensor(2.0 * C).log() + torch.tensor(1.0 + C).log()) / 2
    torch.testing.assert_close(value, expected)
    assert len(calls) == 3  # no slice is done twice


def test_powers_that_are_finite_but_not_their_products_with_the_keys(short):
    """Powers of 2^120 times keys of length 1000, after a slice of keys of length 0."""
    query = unit(1)
    bank = Bank(torch.cat([torch.zeros(C, 12), 1000 * query.repeat(C, 1)]), torch.arange(2 * C) % 4)
    loss = InstanceDiscriminationLoss(1000 * 1.4427 / 120)
    value, gradient = value_and_gradient(loss, query, query, bank, torch.tensor([0]))
    assert float(value) == pytest.approx(naive_loss(loss, query, query, bank, torch.tensor([0])))
    torch.testing.assert_close(gradient, 999 * query / loss.temperature)


def test_not_a_number_is_not_hidden(short):
    query, key, bank, labels = inputs(8, 3 * C)
    bank.features[2 * C] = torch.nan
    assert InstanceDiscriminationLoss(0.1)(query, key, bank, labels).isnan()
