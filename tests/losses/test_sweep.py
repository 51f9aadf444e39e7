"""The sweep over the bank equals the plain formula.

Legend: B queries, K bank keys, C keys of one slice.
"""

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from instdisc.losses import (
    ContrastiveLoss,
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    SupConLoss,
    products,
    same_class,
    sweep,
)
from instdisc.types import Bank

from ..processes import apart

C = 16  # in these tests


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


class Called(TorchDispatchMode):
    """The names of torch's operators, in the order of their calls, those of views left out."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if not func.is_view:
            self.names.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.fixture
def short(monkeypatch):
    """Slices of C keys, so that a small bank takes several."""
    monkeypatch.setattr(sweep, "slice_length", lambda *sizes: C)


def plain(loss, query, key, bank, labels):
    """The formula as it is written, with the whole (B, K) similarity."""
    similarity = query @ bank.features.to(query.dtype).T / loss.temperature
    positives = loss.positives(labels, bank.labels)
    if positives is None:
        positives = torch.zeros_like(similarity, dtype=torch.bool)
    negatives = loss.negatives(labels, bank.labels)
    denominator = torch.ones_like(positives) if negatives is None else negatives | positives
    if key is not None:
        own = (query * key).sum(1, keepdim=True) / loss.temperature
        similarity = torch.cat([own, similarity], 1)
        true = torch.ones_like(own, dtype=torch.bool)
        positives = torch.cat([true, positives], 1)
        denominator = torch.cat([true, denominator], 1)
    counts = positives.sum(1)
    terms = []
    for s, p, d, count in zip(similarity, positives, denominator, counts, strict=True):
        terms.append(s[d].logsumexp(0) - s[p].mean() if count else s.sum() * 0)
    return torch.stack(terms).mean()


def unit(rows, dim=12, dtype=torch.float32):
    return F.normalize(torch.randn(rows, dim, dtype=dtype), dim=1)


def inputs(batch=5, size=50, classes=4, dtype=torch.float32):
    labels = torch.randint(-1, classes, (batch,))
    bank = Bank(unit(size, dtype=dtype), torch.randint(-1, classes, (size,)))
    return unit(batch, dtype=dtype), unit(batch, dtype=dtype), bank, labels


def value_and_gradients(function, query, key):
    leaves = [query.clone().requires_grad_()]
    if key is not None:
        leaves.append(key.clone().requires_grad_())
    value = function(leaves[0], leaves[1] if key is not None else None)
    return value.detach(), torch.autograd.grad(value, leaves)


def assert_equals_plain(loss, query, key, bank, labels, tolerance=1e-5):
    value, gradients = value_and_gradients(lambda q, k: loss(q, k, bank, labels), query, key)
    expected, references = value_and_gradients(
        lambda q, k: plain(
            loss,
            q.double(),
            None if k is None else k.double(),
            Bank(bank.features.double(), bank.labels),
            labels,
        ),
        query,
        key,
    )
    torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
    for ours, reference in zip(gradients, references, strict=True):
        # What cancels in a gradient is of size 1 / (T B).
        scale = reference.abs().max().clamp(min=max(1, 1 / (loss.temperature * len(query))))
        torch.testing.assert_close(ours / scale, reference / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("size", [1, C - 1, C, 3 * C, 50])
@pytest.mark.parametrize("batch", [1, 5, 64])
@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_equals_the_plain_formula(short, loss_class, with_key, temperature, batch, size):
    torch.manual_seed(0)
    query, key, bank, labels = inputs(batch, size)
    own = key if with_key else None
    assert_equals_plain(loss_class(temperature), query, own, bank, labels)


@pytest.mark.parametrize("classes", [1, 20, 2000])  # dense and sparse positives
@pytest.mark.parametrize("loss_class", [ExemplarLoss, SupConLoss])
def test_equals_the_plain_formula_on_a_long_bank(loss_class, classes):
    query, key, bank, labels = inputs(32, 40_003, classes)
    assert_equals_plain(loss_class(0.07), query, key, bank, labels)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_vectors_of_any_length(short, loss_class):
    query, key, bank, labels = inputs()
    bank = Bank(bank.features * torch.logspace(-2, 1, 50)[:, None], bank.labels)
    assert_equals_plain(loss_class(0.05), 10 * query, key, bank, labels)


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_far_keys_at_a_low_temperature(short, loss_class, with_key):
    # The excluded keys are near and all others opposite: exp(-200) of the highest similarity.
    query = unit(1).repeat(4, 1)
    bank = Bank(query[:1] * torch.tensor([1.0, -1.0]).repeat(20)[:, None], torch.arange(40) % 2)
    assert_equals_plain(loss_class(0.01), query, query if with_key else None, bank, bank.labels[:4])


@pytest.mark.parametrize("label", [-1, 7])
@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_no_class_in_common(short, loss_class, with_key, label):
    query, key, bank, _ = inputs()
    own, labels = key if with_key else None, torch.full((5,), label)
    for bank_labels in (torch.full((50,), -1), torch.zeros(50, dtype=torch.long)):
        assert_equals_plain(loss_class(0.1), query, own, Bank(bank.features, bank_labels), labels)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_inputs_that_are_not_contiguous(short, loss_class):
    query, key, bank, labels = inputs()
    turned = Bank(bank.features.T.contiguous().T, bank.labels.repeat_interleave(2)[::2])
    assert not turned.features.is_contiguous()
    assert_equals_plain(loss_class(0.1), query.repeat(1, 2)[:, :12], key, turned, labels)


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_gradcheck_over_several_slices(short, loss_class, with_key):
    query, key, bank, labels = inputs(dtype=torch.float64)
    arguments = [query.requires_grad_()] + ([key.requires_grad_()] if with_key else [])
    assert torch.autograd.gradcheck(
        lambda q, k=None: loss_class(0.2)(q, k, bank, labels), arguments
    )


@pytest.mark.parametrize("loss_class", LOSSES)
def test_value_without_gradient(short, loss_class):
    query, key, bank, labels = inputs()
    loss, leaf = loss_class(0.1), query.clone().requires_grad_()
    expected = loss(leaf, key, bank, labels)
    with torch.no_grad():
        assert torch.equal(loss(leaf, key, bank, labels), expected)
    with torch.inference_mode():
        assert torch.equal(loss(query, key, bank, labels), expected)
    value = loss(query, key.requires_grad_(), bank, labels)  # the key alone wants one
    assert torch.equal(torch.autograd.grad(value, key)[0].isfinite(), torch.ones(5, 12) > 0)


def test_has_no_second_derivative():
    query, key, bank, labels = inputs()
    value = SupConLoss(0.1)(query.requires_grad_(), key, bank, labels)
    (gradient,) = torch.autograd.grad(value, query, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("loss_class", [InstanceDiscriminationLoss, ExemplarLoss, SupConLoss])
def test_bank_of_another_dtype(short, loss_class):
    query, key, bank, labels = inputs()
    for dtype in (torch.float64, torch.float16):
        other = Bank(bank.features.to(dtype), bank.labels)
        assert_equals_plain(loss_class(0.1), query, key, other, labels)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("loss_class", [InstanceDiscriminationLoss, ExemplarLoss, SupConLoss])
def test_bfloat16_bank(short, monkeypatch, loss_class, native):
    """What the rounding of the keys costs, and that of the products where they are bfloat16 too."""
    monkeypatch.setattr(products, "multiplies_natively", lambda *_: native)
    query, key, bank, labels = inputs(64, 500)
    narrow = Bank(bank.features.bfloat16(), bank.labels)
    loss, errors = loss_class(0.2), []
    value, gradients = value_and_gradients(lambda q, k: loss(q, k, narrow, labels), query, key)
    expected, references = value_and_gradients(
        lambda q, k: plain(loss, q, k, bank, labels), query, key
    )
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(float(expected), rel=1e-3 if native else 2e-4)
    errors = [
        float((ours - reference).norm() / reference.norm())
        for ours, reference in zip(gradients, references, strict=True)
    ]
    assert max(errors) < (1e-2 if native else 3e-3)
    if not native:  # exact but for the keys
        assert_equals_plain(loss, query, key, narrow, labels)


def test_multiplies_natively_asks_the_hardware(monkeypatch):
    device = torch.device("cpu")
    assert not products.multiplies_natively(torch.float32, device)
    for supported in (True, False):
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda supported=supported: supported)
        assert products.multiplies_natively(torch.bfloat16, device) is supported


@pytest.mark.parametrize("loss_class", LOSSES)
def test_equals_the_plain_formula_without_onednn(short, monkeypatch, loss_class):
    monkeypatch.setattr(products, "_has_onednn", lambda: False)
    assert_equals_plain(loss_class(0.07), *inputs(64))


def test_takes_onednn_where_it_is_and_is_wanted():
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    left, right = torch.randn(3, 8), torch.randn(8, 5)
    for enabled in (True, False):
        with torch.backends.mkldnn.flags(enabled=enabled, allow_tf32=None), Called() as called:
            product = products._mm(left, right)
        assert called.names == ["mkldnn::_linear_pointwise" if enabled else "aten::mm"]
        torch.testing.assert_close(product, left @ right)


def test_an_empty_bank_leaves_the_own_key():
    query, key, _, labels = inputs()
    value = InstanceDiscriminationLoss(0.1)(
        query, key, Bank(torch.zeros(0, 12), labels[:0]), labels
    )
    assert float(value) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
# After a graph break torch.compile looks at its inputs' .grad, those that are no leaves included.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@apart
def test_inside_a_compiled_module(short):
    query, key, bank, labels = inputs()
    loss, layer = SupConLoss(0.1), torch.nn.Linear(12, 12)

    def step(q):
        return loss(F.normalize(layer(q), dim=1), key, bank, labels)

    expected = step(query)
    (reference,) = torch.autograd.grad(expected, layer.weight)
    value = torch.compile(step, backend="aot_eager")(query)
    (gradient,) = torch.autograd.grad(value, layer.weight)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, reference)
