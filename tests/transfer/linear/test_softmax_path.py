"""L-BFGS in the eigenbasis against scikit-learn at the same tolerance."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from instdisc.transfer import PENALTIES, fit_softmax_path
from instdisc.transfer.linear.lbfgs import minimise

TOL = 1e-6


def problem(count=300, dim=20, num_classes=4, spread=1.0):
    labels = torch.arange(count) % num_classes
    centres = torch.randn(num_classes, dim)
    scales = torch.logspace(0, -2, dim)
    features = (centres[labels] + spread * torch.randn(count, dim)) * scales + 0.7
    return features.double(), labels


def objective_and_gradient(weight, bias, penalty, features, labels):
    """The formula by autograd, in the coordinates of the given features."""
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(features @ weight.T + bias, labels)
    value = loss + 0.5 * penalty / len(labels) * (weight**2).sum()
    value.backward()
    return float(value.detach()), max(float(weight.grad.abs().max()), float(bias.grad.abs().max()))


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(("count", "dim"), [(300, 20), (40, 120)])
def test_objective_is_scikit_learns(count, dim, together):
    features, labels = problem(count, dim)
    penalties = [1e2, 1.0, 1e-1, 1e-3]
    path = fit_softmax_path(features, labels, penalties, num_classes=4, together=together, tol=TOL)
    for i, penalty in enumerate(penalties):
        model = LogisticRegression(C=1 / penalty, tol=TOL, max_iter=5000)
        model.fit(features.numpy(), labels.numpy())
        peer, _ = objective_and_gradient(
            torch.tensor(model.coef_), torch.tensor(model.intercept_), penalty, features, labels
        )
        ours, steepest = objective_and_gradient(
            path.weight[i], path.bias[i], penalty, features, labels
        )
        assert steepest <= 1.01 * TOL
        assert float(path.gradients[i]) == pytest.approx(steepest, rel=1e-3, abs=1e-10)
        assert abs(ours - peer) < 1e-4
        if penalty >= 0.1:  # C <= 10
            assert ours <= peer + 1e-8


def test_all_45_regularisers_reach_the_tolerance():
    features, labels = problem()
    path = fit_softmax_path(features, labels, PENALTIES, num_classes=4, tol=TOL)
    assert path.weight.shape == (45, 4, 20)
    assert float(path.gradients.max()) <= TOL
    norms = path.weight.norm(dim=(1, 2))
    assert (norms.diff() <= 0).all()  # a stronger penalty, smaller weights


def test_a_small_gradient_alone_does_not_end_the_search():
    """At weak penalties separable classes leave a flat way down."""
    features, labels = problem(60, 80, spread=0.3)
    penalties = [1e-2, 1e-6]  # far apart: the second begins with a small gradient
    path = fit_softmax_path(features, labels, penalties, num_classes=4, tol=TOL)
    assert int(path.iterations[1]) > 0
    model = LogisticRegression(C=1e6, tol=1e-9, max_iter=20000).fit(features, labels)
    peer = torch.tensor(model.coef_), torch.tensor(model.intercept_)
    best, _ = objective_and_gradient(*peer, 1e-6, features, labels)
    ours, _ = objective_and_gradient(path.weight[1], path.bias[1], 1e-6, features, labels)
    assert abs(ours - best) < 1e-4


def test_order_of_penalties_is_kept():
    features, labels = problem()
    mixed = fit_softmax_path(features, labels, [1.0, 100.0, 0.1], num_classes=4, tol=1e-9)
    alone = fit_softmax_path(features, labels, [0.1], num_classes=4, tol=1e-9)
    torch.testing.assert_close(mixed.weight[2], alone.weight[0], atol=1e-5, rtol=1e-4)


def test_shifted_and_doubled_features_give_the_same_classifier():
    features, labels = problem()
    plain = fit_softmax_path(features, labels, [1.0], num_classes=4, tol=1e-9)
    moved = fit_softmax_path(2 * features + 5, labels, [4.0], num_classes=4, tol=1e-9)
    torch.testing.assert_close(2 * moved.weight, plain.weight, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        moved.logits(2 * features + 5), plain.logits(features), atol=1e-5, rtol=1e-5
    )


def test_constant_features_leave_the_shares_of_the_classes():
    labels = torch.tensor([0, 0, 0, 1])
    path = fit_softmax_path(torch.ones(4, 3), labels, [1.0], num_classes=2, tol=1e-10)
    share = path.logits(torch.ones(1, 3))[0].softmax(1)
    torch.testing.assert_close(share, torch.tensor([[0.75, 0.25]]).double())


def test_max_iter_ends_the_search_and_says_so():
    features, labels = problem()
    path = fit_softmax_path(features, labels, [1e-4], num_classes=4, max_iter=3)
    assert int(path.iterations[0]) == 3
    assert float(path.gradients[0]) > TOL


class Quadratic:
    """``sum_i (a_i x_i - 1)^2 / 2`` of R points with their own a."""

    def __init__(self, factors):
        self.factors = factors

    def images(self, point):
        return self.factors * point

    def value(self, images, point):
        return 0.5 * ((images - 1) ** 2).sum(1), images

    def gradient(self, state, point):
        return self.factors * (state - 1)

    def largest(self, gradient):
        return gradient.abs().amax(1)

    def diagonal(self, state):
        return torch.ones_like(self.factors)


def test_minimise_reaches_a_known_minimum_of_each_problem():
    factors = torch.tensor(np.random.default_rng(0).uniform(0.1, 30, (3, 8)))
    found = minimise(Quadratic(factors), torch.zeros_like(factors), tol=1e-9, max_iter=300)
    torch.testing.assert_close(found.point, 1 / factors, atol=1e-6, rtol=1e-6)
    assert float(found.gradients.max()) <= 1e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalties": [1.0, 0.0]}, r"`penalties\[1\]` must be a finite number above 0, got"),
        ({"penalties": []}, r"`penalties` must be a list of at least one, got \[\]"),
        ({"tol": 0.0}, "`tol` must be a finite number above 0"),
        ({"num_classes": 3}, r"`labels` must lie in \[0, 3\), got \[0, 1, 2, 3\]"),
    ],
)
def test_bad_arguments(options, message):
    features, labels = problem(40)
    options = {"penalties": [1.0], "num_classes": 4, **options}
    with pytest.raises(ValueError, match=message):
        fit_softmax_path(features, labels, **options)
