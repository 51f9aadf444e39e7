"""A loss within a batch: a double loop, lightly's SimCLR, Khosla's formula, two processes.

Legend: V views, B images.
"""

import math
import os
import socket
from functools import partial

import pytest
import torch
from torch import multiprocessing
from torch.nn import functional as F

from instdisc import distributed
from instdisc.losses import (
    ContrastiveLoss,
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    SupConLoss,
    contrast_in_batch,
    same_class,
)

TEMPERATURE = 0.2


class NearestRepelMost(ContrastiveLoss):
    """All hooks at once; the positives are not those of the class alone."""

    weights_have_gradient = True
    weights_are_relative = True

    def positives(self, labels, bank_labels):
        return same_class(labels, bank_labels) | (bank_labels == 0)[None, :]

    def negatives(self, labels, bank_labels):
        return (bank_labels >= 0)[None, :].expand(len(labels), -1)

    def weights(self, similarities, labels, bank_labels):
        return similarities.exp() + (labels[:, None] < bank_labels)

    def log_bank_sum(self, log_sum, key_similarity, num_keys):
        return torch.logaddexp(log_sum, 0.3 * key_similarity - num_keys.log1p())


class Constant(NearestRepelMost):
    weights_have_gradient = False
    weights_are_relative = False


LOSSES = [
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    ExemplarLoss,
    SupConLoss,
    NearestRepelMost,
    Constant,
]


def make_views(count, images, dim=8, dtype=torch.float64):
    return [F.normalize(torch.randn(images, dim, dtype=dtype), dim=1) for _ in range(count)]


def naive(loss, views, labels):
    """One pair at a time."""
    rows = [(view[i], i, labels[i]) for view in views for i in range(len(view))]
    terms = []
    for a, (query, image, label) in enumerate(rows):
        own, positives, denominator, weights = [], [], [], []
        for b, (key, other, other_label) in enumerate(rows):
            s = query @ key / loss.temperature
            if a == b:
                continue
            if image == other:
                own.append(s)
                continue
            pair = label[None], other_label[None]
            positive, negative = loss.positives(*pair), loss.negatives(*pair)
            if positive is not None and positive:
                positives.append(s)
            elif not (negative is None or negative):
                continue
            seen = s if loss.weights_have_gradient else s.detach()
            weight = loss.weights(seen[None, None], *pair)
            weights.append(torch.ones_like(s) if weight is None else weight[0, 0])
            denominator.append(s)
        own = torch.stack(own)
        size = torch.tensor(float(len(denominator)), dtype=own.dtype)
        mean = sum(weights) / size if loss.weights_are_relative else 1
        terms_of_bank = [w / mean * s.exp() for w, s in zip(weights, denominator, strict=True)]
        total = sum(terms_of_bank, torch.zeros_like(own[0])).log()
        total = loss.log_bank_sum(total[None], own.exp().mean().log()[None], size[None])[0].exp()
        for_all = (total + own.exp().sum()).log()
        terms.append((for_all - torch.stack([*own, *positives])).mean())
    return torch.stack(terms).mean()


def value_and_gradients(function, views):
    leaves = [view.clone().requires_grad_() for view in views]
    value = function(leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", LOSSES)
def test_equals_a_double_loop(kind, count):
    views, labels = make_views(count, 5), torch.tensor([0, 1, 0, -1, -1])
    loss = kind(TEMPERATURE)
    result = value_and_gradients(partial(contrast_in_batch, loss, labels=labels), views)
    expected = value_and_gradients(lambda leaves: naive(loss, leaves, labels), views)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("kind", LOSSES)
def test_float32_equals_float64_at_a_low_temperature(kind):
    views, labels = make_views(2, 20), torch.arange(20) % 4
    loss = kind(0.07)
    expected = value_and_gradients(partial(contrast_in_batch, loss, labels=labels), views)
    leaves = [view.float().requires_grad_() for view in views]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = contrast_in_batch(loss, leaves, labels)
    assert value.dtype == torch.float32
    gradients = [gradient.double() for gradient in torch.autograd.grad(value, leaves)]
    torch.testing.assert_close((value.double(), gradients), expected, rtol=1e-4, atol=1e-4)


def test_instance_discrimination_equals_lightly():
    from lightly.loss import NTXentLoss

    views, labels = make_views(2, 16), torch.arange(16) % 3
    loss = InstanceDiscriminationLoss(0.5)
    # lightly normalises inside its loss, so its gradient lies in the tangent of the sphere.
    result = value_and_gradients(
        lambda leaves: contrast_in_batch(loss, [F.normalize(v, dim=1) for v in leaves], labels),
        views,
    )
    expected = value_and_gradients(lambda leaves: NTXentLoss(temperature=0.5)(*leaves), views)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("count", [2, 4])
def test_supcon_equals_the_formula_of_khosla(count):
    """Without their factor T / 0.07; the anchor's other views are among the positives."""
    views, labels = make_views(count, 12), torch.arange(12) % 4
    rows, classes = torch.cat(views), labels.repeat(count)
    logits = rows @ rows.T / TEMPERATURE
    others = ~torch.eye(len(rows), dtype=torch.bool)
    mask = (classes[:, None] == classes) & others
    log_probability = logits - logits.masked_fill(~others, -torch.inf).logsumexp(1, keepdim=True)
    expected = -((mask * log_probability).sum(1) / mask.sum(1)).mean()
    value = contrast_in_batch(SupConLoss(TEMPERATURE), views, labels)
    torch.testing.assert_close(value, expected)


def test_exemplar_has_no_negatives_of_the_class():
    views, loss = make_views(2, 6), ExemplarLoss(TEMPERATURE)
    assert contrast_in_batch(loss, views, torch.zeros(6, dtype=torch.int64)) == 0
    simclr = contrast_in_batch(
        InstanceDiscriminationLoss(TEMPERATURE), views, torch.zeros(6, dtype=torch.int64)
    )
    for labels in (torch.arange(6), torch.full((6,), -1)):
        assert torch.equal(contrast_in_batch(loss, views, labels), simclr)


@pytest.mark.parametrize("kind", LOSSES)
def test_one_image_has_no_bank(kind):
    views = make_views(2, 1, dtype=torch.float32)
    value, gradients = value_and_gradients(
        lambda leaves: contrast_in_batch(kind(0.1), leaves, torch.tensor([0])), views
    )
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)
    if kind is InstanceDiscriminationLoss:
        assert value == 0


def test_start_value_of_simclr():
    """2 ln(2 N - 1) for both directions, in the mean of both half of it."""
    views = [torch.ones(8, 4) / 2] * 2
    value = contrast_in_batch(InstanceDiscriminationLoss(0.1), views, torch.arange(8))
    assert float(value) == pytest.approx(math.log(15), abs=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
def test_each_process_adds_its_share(kind, monkeypatch):
    """As rank 0 and 1 see it, the rows of all processes in the order in which they are gathered."""
    views, labels = make_views(3, 8), torch.tensor([0, 1, 0, -1, 2, 0, -1, 2])
    loss = kind(TEMPERATURE)
    expected = value_and_gradients(partial(contrast_in_batch, loss, labels=labels), views)

    def both(leaves):
        halves = [[view[part] for view in leaves] for part in (slice(4), slice(4, None))]
        rows = torch.cat([torch.cat(half) for half in halves])
        of_rows = torch.cat([part.repeat(3) for part in labels.split(4)])
        monkeypatch.setattr(distributed, "world_size", lambda: 2)
        monkeypatch.setattr(distributed, "gather", lambda tensor: of_rows)
        monkeypatch.setattr(distributed, "gather_with_gradient", lambda tensor: rows)
        values = []
        for rank, half in enumerate(halves):
            monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
            values.append(contrast_in_batch(loss, half, labels.split(4)[rank]))
        return (values[0] + values[1]) / 2

    torch.testing.assert_close(value_and_gradients(both, views), expected)


def _run_rank(rank, port, views, labels, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    half = slice(rank * 4, rank * 4 + 4)
    results = [
        value_and_gradients(
            partial(contrast_in_batch, kind(TEMPERATURE), labels=labels[half]),
            [view[half] for view in views],
        )
        for kind in LOSSES
    ]
    torch.save(results, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    views, labels = make_views(3, 8), torch.tensor([0, 1, 0, -1, 2, 0, -1, 2])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(_run_rank, args=(port, views, labels, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for kind, (value, gradients), (other, others) in zip(LOSSES, first, second, strict=True):
        expected, references = value_and_gradients(
            partial(contrast_in_batch, kind(TEMPERATURE), labels=labels), views
        )
        torch.testing.assert_close((value + other) / 2, expected)
        for mine, theirs, reference in zip(gradients, others, references, strict=True):
            torch.testing.assert_close(torch.cat([mine, theirs]) / 2, reference)  # DDP's mean


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"loss": torch.nn.Identity()}, TypeError, "`loss` must be a ContrastiveLoss, got"),
        ({"features": torch.ones(2, 4, 8)}, TypeError, "`features` must be a sequence of tensors"),
        ({"features": [torch.ones(4, 8)]}, ValueError, "`features` must be of at least 2 views"),
        (
            {"features": [torch.ones(4, 8), torch.ones(3, 8)]},
            ValueError,
            r"`features\[1\]` must be \(4, 8\) like `features\[0\]`, got \(3, 8\)",
        ),
        ({"features": [torch.ones(0, 8)] * 2}, ValueError, "`labels` must be "),
        ({"labels": torch.arange(3)}, ValueError, r"`labels` must be \(4,\), a label for each"),
        ({"labels": torch.ones(4)}, TypeError, "`labels` must be of torch.int64"),
    ],
)
def test_bad_input(change, error, message):
    good = {
        "loss": SupConLoss(0.1),
        "features": [torch.ones(4, 8)] * 2,
        "labels": torch.arange(4),
    }
    with pytest.raises(error, match=message):
        contrast_in_batch(**{**good, **change})
