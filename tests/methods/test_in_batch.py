"""Contrast within a batch: lightly, the formulas of two codes, what the views pass together.

Legend: V views, B images, N = V B.
"""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import instdisc
from instdisc.losses import (
    ContrastiveLoss,
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SupConLoss,
)
from instdisc.methods import InBatchContrast
from instdisc.models import MLP, Projector
from instdisc.testing.runs import fit, make_batches

TEMPERATURE = 0.2
LABELS = torch.arange(6) % 4


def make(loss=InstanceDiscriminationLoss, **options):
    """With the head of SimCLR, which has batch norm."""
    head = MLP(12, (12, 8), last_norm="scale").double()
    return InBatchContrast(head, loss(TEMPERATURE), **options)


def make_features(num_views=2, images=6):
    return [torch.randn(images, 12, dtype=torch.float64) for _ in range(num_views)]


def value_and_gradients(function, features):
    leaves = [view.clone().requires_grad_() for view in features]
    value = function(leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


def ours(term, labels=LABELS):
    return lambda leaves: term(dict(enumerate(leaves)), {}, labels)


def project(term, leaves):
    """Unit vectors of all views, whose head sees them in one batch."""
    return F.normalize(term.projector(torch.cat(leaves)), dim=1)


def test_simclr_equals_lightly():
    from lightly.loss import NTXentLoss

    term, features = make(), make_features()
    expected = value_and_gradients(
        lambda leaves: NTXentLoss(TEMPERATURE)(*project(term, leaves).chunk(2)), features
    )
    result = value_and_gradients(ours(term), features)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-8)


def test_the_sum_of_the_code_of_simclr_is_twice_the_mean():
    def directions(leaves):
        first, second = project(term, leaves).chunk(2)
        own = torch.arange(6)
        total = 0
        for a, b in ((first, second), (second, first)):
            within = (a @ a.T / TEMPERATURE).fill_diagonal_(-1e9)
            total = total + F.cross_entropy(torch.cat([a @ b.T / TEMPERATURE, within], 1), own)
        return total / 2

    term, features = make(), make_features()
    torch.testing.assert_close(
        value_and_gradients(ours(term), features), value_and_gradients(directions, features)
    )


@pytest.mark.parametrize("num_views", [2, 3])
def test_supcon_equals_the_code_of_khosla_but_for_its_factor(num_views):
    """L_out, written as their loop over anchors; they multiply it by T / 0.07."""

    def anchors(leaves):
        rows, classes = project(term, leaves), LABELS.repeat(num_views)
        terms = []
        for i, row in enumerate(rows):
            logits = row @ rows.T / TEMPERATURE
            others = [j for j in range(len(rows)) if j != i]
            positives = [j for j in others if classes[j] == classes[i]]
            terms.append(logits[others].logsumexp(0) - logits[positives].mean())
        return TEMPERATURE / 0.07 * torch.stack(terms).mean()

    term, features = make(SupConLoss, num_views=num_views), make_features(num_views)
    expected = value_and_gradients(anchors, features)
    result = value_and_gradients(lambda leaves: TEMPERATURE / 0.07 * ours(term)(leaves), features)
    torch.testing.assert_close(result, expected)


def test_without_classes_all_are_simclr():
    simclr, features = make(), make_features(3)
    for kind in (SupConLoss, ExemplarLoss):
        term = InBatchContrast(simclr.projector, kind(TEMPERATURE), num_views=3)
        simclr.queries = term.queries
        for labels in (torch.arange(6), torch.full((6,), -1)):
            torch.testing.assert_close(ours(term, labels)(features), ours(simclr, labels)(features))


def test_exemplar_leaves_out_the_own_class():
    """Other images of the class away from every row of the cross-entropy."""

    def masked(leaves):
        rows, classes = project(term, leaves), LABELS.repeat(2)
        logits = rows @ rows.T / TEMPERATURE
        image = torch.arange(6).repeat(2)
        left_out = (classes[:, None] == classes) & (image[:, None] != image) | torch.eye(12).bool()
        return F.cross_entropy(logits.masked_fill(left_out, -torch.inf), torch.arange(12).roll(6))

    term, features = make(ExemplarLoss), make_features()
    torch.testing.assert_close(
        value_and_gradients(ours(term), features), value_and_gradients(masked, features)
    )


def test_start_value():
    """Of features that are all alike batch norm makes 0: every similarity is equal."""
    alike = [torch.ones(6, 12, dtype=torch.float64)] * 2
    assert float(ours(make())(alike).detach()) == pytest.approx(math.log(2 * 6 - 1), abs=1e-12)


def test_low_precision_is_left_before_the_rows_are_normalised():
    term = InBatchContrast(Projector(12, 8), InstanceDiscriminationLoss(0.07))
    features = [view.float() for view in make_features()]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = ours(term)(features)
    assert value.dtype == torch.float32
    assert term._last[0].norm(dim=1).sub(1).abs().max() < 1e-6


class Nearest(ContrastiveLoss):
    """Class 0 attracts, class 1 is left out."""

    def positives(self, labels, bank_labels):
        return (bank_labels == 0)[None].expand(len(labels), -1)

    def negatives(self, labels, bank_labels):
        return (bank_labels != 1)[None].expand(len(labels), -1)


@pytest.mark.parametrize("kind", [InstanceDiscriminationLoss, Nearest])
def test_statistics_equal_those_of_a_loop(kind):
    term, features = make(kind, num_views=3), make_features(3)
    ours(term)(features)
    rows = project(term, features)
    similar, negative, hits = [], [], []
    for i in range(18):
        far = [j for j in range(18) if i % 6 != j % 6]
        if kind is Nearest:
            far = [j for j in far if LABELS[j % 6] > 1]
        near = [rows[i] @ rows[j] for j in range(18) if i % 6 == j % 6 and i != j]
        negatives = [rows[i] @ rows[j] for j in far]
        similar, negative = similar + near, negative + negatives
        hits += [s > max(negatives, default=-torch.inf) for s in near]
    statistics = term.statistics()
    for name, values in (("positive", similar), ("negative", negative)):
        torch.testing.assert_close(
            statistics[f"{name}_similarity"], torch.stack(values).mean(), msg=name
        )
    torch.testing.assert_close(
        statistics["accuracy"], torch.tensor(hits, dtype=torch.float64).mean()
    )
    torch.testing.assert_close(statistics["spread"], rows.std(0).mean() * math.sqrt(8))


def test_spread_tells_a_collapse():
    term = make()
    ours(term)([torch.ones(6, 12, dtype=torch.float64)] * 2)
    assert term.statistics()["spread"] < 1e-9
    ours(term, torch.arange(200))(make_features(images=200))
    assert 0.8 < term.statistics()["spread"] < 1.2


@pytest.mark.parametrize("join_views", [True, False])
def test_views_pass_together(join_views):
    module = instdisc.SimCLRModule("test_resnet", num_views=3, join_views=join_views)
    sizes = []
    for part in (module.backbone, module.objectives["contrast"].projector):
        part.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    fit(module, make_batches(1, 8, 32, num_views=3))
    assert sizes == ([24] * 2 if join_views else [8] * 6)


def test_resume_with_another_head_is_told(tmp_path):
    first = instdisc.SimCLRModule("test_resnet", projection_dim=16)
    fit(first, make_batches(1, 8, 32)).save_checkpoint(tmp_path / "run.ckpt")
    other = instdisc.SimCLRModule("test_resnet", projection_dim=8)
    with pytest.raises(ValueError, match="projector.*96-16.*96-8"):
        fit(other, make_batches(2, 8, 32), ckpt_path=tmp_path / "run.ckpt")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_views": 1}, ValueError, "`num_views` must be a whole number of at least 2, got 1"),
        ({"num_views": 2.5}, TypeError, "`num_views` must be"),
        ({"loss": nn.Identity()}, TypeError, "`loss` must be a ContrastiveLoss"),
        ({"projector": "mlp"}, TypeError, "`projector` must be"),
        ({"weight": -1.0}, ValueError, "`weight` must be a finite number of at least 0"),
    ],
)
def test_bad_arguments(change, error, message):
    good = {"projector": Projector(12, 8), "loss": SupConLoss(0.1)}
    with pytest.raises(error, match=message):
        InBatchContrast(**{**good, **change})


def test_bad_hidden_width():
    with pytest.raises(ValueError, match="`hidden_dim` must be a whole number of at least 1"):
        instdisc.SimCLRModule("test_resnet", hidden_dim=0)
