"""Weights in the denominator: the formula as it is written, in slices and at once.

Legend: B queries, K bank keys, C keys of one slice.
"""

import math
from functools import partial

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from instdisc.losses import (
    ContrastiveLoss,
    EqCoLoss,
    ExemplarLoss,
    HardNegativeLoss,
    InstanceDiscriminationLoss,
    SupConLoss,
    class_pairs,
    contrast_in_batch,
    exponentials,
    products,
    rules,
    same_class,
    sweep,
)
from instdisc.testing import check_loss
from instdisc.types import Bank

from ..processes import apart

C = 16  # where a test asks for `short`
FAR = 10**12  # label with which the range of the bank's is too wide for a table


class Weighted(SupConLoss):
    """Weights that look at all they may, 0 among them; keys of class 1 are left out."""

    def negatives(self, labels, bank_labels):
        return (bank_labels != 1)[None, :].expand(len(labels), -1)

    def weights(self, similarities, labels, bank_labels):
        higher = (labels[:, None] < bank_labels).to(similarities.dtype)
        return (similarities + higher).clamp(min=0) ** 2


class Flowing(Weighted):
    weights_have_gradient = True


class Relative(Weighted):
    weights_are_relative = True


class RelativeFlowing(Flowing):
    weights_are_relative = True


class Summed(Weighted):
    def log_bank_sum(self, log_sum, key_similarity, num_keys):
        return torch.logaddexp(log_sum, 0.5 * key_similarity) + num_keys.log1p()


class HardExemplar(HardNegativeLoss, ExemplarLoss):
    """Hard negatives of other classes."""


class PullsLess(SupConLoss):
    """Constant weights, of another class half."""

    def weights(self, similarities, labels, bank_labels):
        return (1 + same_class(labels, bank_labels).to(similarities.dtype)) / 2


LOSSES = {
    "constant": Weighted,
    "flowing": Flowing,
    "relative": Relative,
    "relative, flowing": RelativeFlowing,
    "summed": Summed,
    "hard": lambda temperature: HardNegativeLoss(temperature, beta=1.5),
    "hard, unbiased": lambda temperature: HardNegativeLoss(temperature, beta=0.5, tau=0.1),
    "unbiased": lambda temperature: HardNegativeLoss(temperature, beta=0.0, tau=0.05),
    "hard exemplar": lambda temperature: HardExemplar(temperature, beta=2.0),
    "equal": lambda temperature: EqCoLoss(temperature, alpha=20),
}
BATTERY = [
    HardNegativeLoss(0.2, beta=2.0),
    HardNegativeLoss(0.1, beta=0.5, tau=0.1),
    HardExemplar(0.2),
    EqCoLoss(0.2),
    PullsLess(0.2),
]
WITH_KEY = {"summed", "hard", "hard, unbiased", "unbiased", "hard exemplar", "equal"}


@pytest.fixture
def short(monkeypatch):
    """Slices of C keys, so that a small bank takes several."""
    monkeypatch.setattr(sweep, "slice_length", lambda *sizes: C)


def unit(rows, dim=12, dtype=torch.float64):
    return F.normalize(torch.randn(rows, dim, dtype=dtype), dim=1)


def inputs(batch=5, size=50, classes=4, dtype=torch.float64):
    labels = torch.randint(-1, classes, (batch,))
    bank = Bank(unit(size, dtype=dtype), torch.randint(-1, classes, (size,)))
    return unit(batch, dtype=dtype), unit(batch, dtype=dtype), bank, labels


def plain(loss, query, key, bank, labels):
    """The formula with the whole (B, K) at once, by autograd."""
    similarity = query @ bank.features.T / loss.temperature
    positives = loss.positives(labels, bank.labels)
    positives = torch.zeros_like(similarity) if positives is None else positives.to(query.dtype)
    negatives = loss.negatives(labels, bank.labels)
    negatives = torch.ones_like(similarity) if negatives is None else negatives.to(query.dtype)
    counts = torch.maximum(positives, negatives)
    seen = similarity if loss.weights_have_gradient else similarity.detach()
    logs = loss.log_weights(seen, labels, bank.labels)
    weights = torch.ones_like(similarity) if logs is None else logs.exp()
    if loss.weights_are_relative:
        weights = weights * counts.sum(1, keepdim=True) / (weights * counts).sum(1, keepdim=True)
    total = (weights * counts * similarity.exp()).sum(1)
    attraction, number = (positives * similarity).sum(1), positives.sum(1)
    if key is not None:
        own = (query * key).sum(1) / loss.temperature
        total = loss.log_bank_sum(total.log(), own, counts.sum(1)).exp() + own.exp()
        attraction, number = attraction + own, number + 1
    terms = torch.where(number > 0, total.log() - attraction / number.clamp(min=1), 0.0)
    return terms.mean()


def value_and_gradients(function, query, key):
    leaves = [each.clone().requires_grad_() for each in (query, key) if each is not None]
    value = function(leaves[0], None if key is None else leaves[1])
    return value.detach(), torch.autograd.grad(value, leaves)


def assert_equals_plain(loss, query, key, bank, labels, **tolerance):
    result = value_and_gradients(lambda q, k: loss(q, k, bank, labels), query, key)
    exact = Bank(bank.features.double(), bank.labels)
    expected, references = value_and_gradients(
        lambda q, k: plain(loss, q, k, exact, labels),
        query.double(),
        None if key is None else key.double(),
    )
    torch.testing.assert_close(result[0].double(), expected, **tolerance)
    for ours, reference in zip(result[1], references, strict=True):
        torch.testing.assert_close(ours.double(), reference, **tolerance)


@pytest.mark.parametrize("path", ["by class", "by mask", "whole", "accelerator"])
@pytest.mark.parametrize(
    ("name", "with_key"),
    [(name, True) for name in LOSSES] + [(name, False) for name in LOSSES if name not in WITH_KEY],
)
def test_equals_the_plain_formula(short, monkeypatch, name, with_key, path):
    query, key, bank, labels = inputs()
    if path == "by mask":
        bank.labels[0] = FAR
    if path == "whole":
        monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    if path == "accelerator":
        for module in (rules, class_pairs, exponentials):
            monkeypatch.setattr(module, "can_look", lambda device: False)
    assert_equals_plain(LOSSES[name](0.2), query, key if with_key else None, bank, labels)


@pytest.mark.parametrize("name", ["hard, unbiased", "hard exemplar"])
def test_float32_over_slices_of_their_own_length(name):
    query, key, bank, labels = inputs(256, 9000, classes=50, dtype=torch.float32)
    assert sweep.slice_length(256, 12, query.device) == 4096
    assert_equals_plain(LOSSES[name](0.1), query, key, bank, labels, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("beta", "tau"), [(6, 0), (6, 0.1), (20, 0.1)])
@pytest.mark.parametrize("path", ["sweep", "whole"])
def test_exponents_beyond_float32(short, monkeypatch, path, beta, tau):
    """exp((1 + 6) / 0.07) is 1e43, and keys the other way weigh as little."""
    if path == "whole":
        monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    query, key, bank, labels = inputs(4, 60, dtype=torch.float32)
    bank.features[20] = query[0]
    bank.features[40:] = -query[1]
    loss = HardNegativeLoss(0.07, beta=beta, tau=tau)
    value, gradients = value_and_gradients(lambda q, k: loss(q, k, bank, labels), query, key)
    exact = Bank(bank.features.double(), bank.labels)
    expected, references = value_and_gradients(
        lambda q, k: loss(q, k, exact, labels), query.double(), key.double()
    )
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-4)
    for ours, reference in zip(gradients, references, strict=True):
        torch.testing.assert_close(ours.double(), reference, rtol=1e-3, atol=1e-3)


def robinson(positive, negatives, temperature, beta, tau):
    """Their formula on similarities by rows, positive (N,) and negatives (N, n), as numbers."""
    n = negatives.shape[1]
    positive, negatives = (positive / temperature).exp(), (negatives / temperature).exp()
    importance = negatives**beta
    reweighted = (importance * negatives).sum(1) / importance.mean(1)
    total = (reweighted - tau * n * positive) / (1 - tau)
    total = total.clamp(min=n * math.exp(-1 / temperature))
    return -(positive / (positive + total)).log().mean()


@pytest.mark.parametrize(("beta", "tau"), [(0, 0), (1, 0), (0, 0.1), (1, 0.1), (2, 0.05)])
def test_equals_the_formula_of_robinson(short, beta, tau):
    query, key, bank, labels = inputs(8, 50)
    loss = HardNegativeLoss(0.5, beta=beta, tau=tau)
    result = value_and_gradients(lambda q, k: loss(q, k, bank, labels), query, key)
    expected = value_and_gradients(
        lambda q, k: robinson((q * k).sum(1), q @ bank.features.T, 0.5, beta, tau), query, key
    )
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-8)

    def theirs(first, second):
        rows = torch.cat([first, second])
        positive = (first * second).sum(1).repeat(2)
        others = ~torch.eye(8, dtype=torch.bool).repeat(2, 2)
        return robinson(positive, (rows @ rows.T)[others].view(16, 14), 0.5, beta, tau)

    result = value_and_gradients(lambda q, k: contrast_in_batch(loss, [q, k], labels), query, key)
    expected = value_and_gradients(theirs, query, key)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-8)


def test_the_floor_of_the_debiased_sum():
    """Where it holds, the bank adds n exp(-1 / T) and no gradient."""
    query = unit(3)
    labels, bank = torch.zeros(3, dtype=torch.int64), Bank(-query[:1], torch.zeros(1).long())
    loss = HardNegativeLoss(0.5, tau=0.5)
    value, gradients = value_and_gradients(lambda q, k: loss(q, k, bank, labels), query, query)
    assert float(value) == pytest.approx(math.log1p(math.exp(-4)))
    expected = value_and_gradients(
        lambda q, k: F.softplus(-2 - (q * k).sum(1) / 0.5).mean(), query, query
    )
    torch.testing.assert_close((value, gradients), expected)
    empty = Bank(bank.features[:0], bank.labels[:0])
    value, gradients = value_and_gradients(lambda q, k: loss(q, k, empty, labels), query, query)
    assert value == 0
    assert all(gradient.eq(0).all() for gradient in gradients)


def test_identities():
    query, key, bank, labels = inputs(6, 40)
    expected = InstanceDiscriminationLoss(0.2)(query, key, bank, labels)
    views = [query, key]
    for loss in (HardNegativeLoss(0.2, beta=0), EqCoLoss(0.2, alpha=40)):
        torch.testing.assert_close(loss(query, key, bank, labels), expected)
    for loss in (HardNegativeLoss(0.2, beta=0), EqCoLoss(0.2, alpha=10)):
        torch.testing.assert_close(
            contrast_in_batch(loss, views, labels),
            contrast_in_batch(InstanceDiscriminationLoss(0.2), views, labels),
        )
    # A margin of T log(alpha / K) on the own key.
    own = (query * key).sum(1, keepdim=True) / 0.2 - math.log(256 / 40)
    logits = torch.cat([own, query @ bank.features.T / 0.2], 1)
    margin = F.cross_entropy(logits, torch.zeros(6, dtype=torch.long))
    torch.testing.assert_close(EqCoLoss(0.2)(query, key, bank, labels), margin)


@pytest.mark.parametrize("loss", BATTERY, ids=repr)
def test_battery(loss):
    check_loss(loss)


def test_a_loss_that_has_none_is_swept_as_before(short, monkeypatch):
    made = []

    class Recorded(sweep.WeightedExponentials):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(sweep, "WeightedExponentials", Recorded)
    arguments = inputs()
    for loss in (InstanceDiscriminationLoss(0.2), HardNegativeLoss(0.2, beta=0, tau=0.1)):
        loss(*arguments)
    assert made == []
    HardNegativeLoss(0.2)(*arguments)
    assert len(made) == 1


@pytest.mark.parametrize("path", ["sweep", "whole"])
def test_keys_that_weigh_nothing(monkeypatch, path):
    """A query whose keys all weigh 0 has its own key alone, relative weights or not."""

    class Nothing(ContrastiveLoss):
        weights_have_gradient = True

        def weights(self, similarities, labels, bank_labels):
            return similarities * 0

    class NothingRelative(Nothing):
        weights_are_relative = True

    if path == "whole":
        monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    query, key, bank, labels = inputs()
    for loss in (Nothing(0.2), NothingRelative(0.2)):
        call = partial(loss, bank=bank, labels=labels)
        value, gradients = value_and_gradients(call, query, key)
        assert value == 0
        assert all(torch.equal(each, torch.zeros_like(each)) for each in gradients)
        with torch.inference_mode():
            assert loss(query, key, bank, labels) == 0
        value, gradients = value_and_gradients(
            lambda q, k, loss=loss: contrast_in_batch(loss, [q, k], labels), query, key
        )
        assert value == 0
        assert all(torch.equal(each, torch.zeros_like(each)) for each in gradients)


class Called(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("path", ["slices", "whole", "batch"])
def test_an_accelerator_never_waits(short, monkeypatch, path):
    for module in (rules, class_pairs, exponentials):
        monkeypatch.setattr(module, "can_look", lambda device: False)
    monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: path == "whole")
    query, key, bank, labels = inputs()
    loss = HardExemplar(0.2, tau=0.1)
    with Called() as called:
        query.requires_grad_()
        if path == "batch":
            value = contrast_in_batch(loss, [query, key], labels)
        else:
            value = loss(query, key, bank, labels)
        value.backward()
    waits = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select"}
    assert not waits & set(called.names)


@pytest.mark.parametrize("name", sorted(WITH_KEY))
def test_the_sum_needs_the_own_key(name):
    query, _, bank, labels = inputs()
    with pytest.raises(ValueError, match="`key` must be a tensor, for .* `log_bank_sum`, got None"):
        LOSSES[name](0.2)(query, None, bank, labels)


@pytest.mark.parametrize("path", ["sweep", "whole", "batch"])
def test_bad_weights(short, monkeypatch, path):
    class Wrong(ContrastiveLoss):
        def weights(self, similarities, labels, bank_labels):
            return similarities[:, :1]

    if path == "whole":
        monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    query, key, bank, labels = inputs()
    match = r"`weights` must return None or a tensor \(\d+, \d+\) "
    if path == "batch":
        with pytest.raises(ValueError, match=match):
            contrast_in_batch(Wrong(0.1), [query, key], labels)
    else:
        with pytest.raises(ValueError, match=match):
            Wrong(0.1)(query, key, bank, labels)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HardNegativeLoss(0.1, beta=-1), "`beta` must be a finite number of at least 0"),
        (lambda: HardNegativeLoss(0.1, tau=1), "`tau` must be a finite number .* below 1, got 1"),
        (lambda: EqCoLoss(0.1, alpha=0), "`alpha` must be a finite number above 0, got 0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@apart
def test_the_whole_bank_compiles_into_one_graph(monkeypatch):
    monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    monkeypatch.setattr(products, "_has_onednn", lambda: False)
    query, key, bank, labels = inputs(dtype=torch.float32)
    loss = HardNegativeLoss(0.2, beta=0.5, tau=0.1)

    def step(q, k):
        return loss(q, k, bank, labels)

    expected = value_and_gradients(step, query, key)
    graph = torch.compile(step, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(value_and_gradients(graph, query, key), expected)
