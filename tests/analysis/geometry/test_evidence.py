"""LogME and H-score: golden numbers, the full matrices, closed forms, limits."""

import math

import pytest
import torch
from sklearn.covariance import LedoitWolf

from instdisc.analysis.geometry import h_score, logme
from instdisc.transfer import Features


def test_golden(transferability_case, made, close):
    x, y = made(transferability_case)["X"], made(transferability_case)["y"]
    evidence = logme(x, y)
    if "logme" in transferability_case:
        assert evidence.value == close(transferability_case["logme"])
    expected = {"class_evidence": "per_class_exact", "alpha": "alpha", "beta": "beta"}
    for name, golden in expected.items():
        for value, wanted in zip(
            getattr(evidence, name).tolist(), transferability_case[golden], strict=True
        ):
            if wanted is not None:
                assert value == pytest.approx(wanted, rel=1e-7)
    shrunk = h_score(x, y)
    assert shrunk.value == close(transferability_case["h_score_shrunk"])
    assert shrunk.shrinkage == close(transferability_case["ledoit_wolf_shrinkage"])
    if "h_score" in transferability_case:
        plain = h_score(x, y, shrink=False)
        assert plain.value == close(transferability_case["h_score"])
        assert plain.shrinkage == 0


def density(x, t, alpha, beta):
    """Log evidence per image by the full covariance of the targets."""
    covariance = torch.eye(len(x)) / beta + x @ x.T / alpha
    normal = torch.distributions.MultivariateNormal(torch.zeros(len(x)).double(), covariance)
    return float(normal.log_prob(t)) / len(x)


@pytest.mark.parametrize("shape", [(30, 6), (12, 25)], ids=["N above D", "D above N"])
def test_evidence_is_the_density_and_nowhere_larger(shape):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    y = (x[:, 0] + torch.randn(shape[0], generator=generator, dtype=torch.float64) > 0).long()
    evidence = logme(x, y)
    for k in range(2):
        t = (y == k).double()
        alpha, beta = float(evidence.alpha[k]), float(evidence.beta[k])
        top = float(evidence.class_evidence[k])
        if math.isfinite(alpha) and math.isfinite(beta):
            assert density(x, t, alpha, beta) == pytest.approx(top, rel=1e-9)
        for a in torch.logspace(-2, 5, 29).tolist():
            for b in torch.logspace(-1, 4, 21).tolist():
                assert density(x, t, a, b) <= top + 1e-12


def test_noise_that_features_do_not_explain():
    x = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]).repeat(4, 1)
    y = torch.tensor([0, 0, 1, 1]).repeat(4)
    evidence = logme(x, y)  # the sums of each class cancel out
    assert evidence.alpha.tolist() == [math.inf, math.inf]
    assert evidence.beta.tolist() == pytest.approx([2.0, 2.0])
    expected = -0.5 * (math.log(2 * math.pi) + 1 + math.log(0.5))
    assert evidence.value == pytest.approx(expected)


def test_features_that_explain_all():
    x = 5 * torch.eye(6, 9).double()
    evidence = logme(x, torch.tensor([0, 1, 0, 1, 0, 1]))
    assert all(value > 0 for value in evidence.alpha.tolist())
    # Each image a direction of its own: the evidence does not depend on lambda but for rounding.
    expected = -0.5 * (math.log(2 * math.pi) + 1 + math.log(0.5))
    assert evidence.value == pytest.approx(expected, abs=1e-6)


def test_the_supremum_where_the_noise_vanishes():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10, 60, generator=generator, dtype=torch.float64)
    x[:5, 0] += 30
    y = torch.tensor([0] * 5 + [1] * 5)
    evidence = logme(x, y)
    k = int(evidence.beta.argmax())
    if math.isinf(float(evidence.beta[k])):
        near = density(x, (y == k).double(), float(evidence.alpha[k]), 1e7)
        assert near == pytest.approx(float(evidence.class_evidence[k]), abs=1e-4)


def test_a_class_that_is_exactly_linear_has_no_bound():
    y = torch.tensor([0, 1]).repeat(6)
    x = torch.stack([y == 0, y == 1], 1).double()
    with pytest.raises(
        ValueError, match="`labels` must be of classes that are no exact .* class 0"
    ):
        logme(x, y)


def test_better_features_have_more_evidence():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(90) % 3
    noise = torch.randn(90, 8, generator=generator)
    signal = torch.eye(3, 8)[y]
    weak, strong = (logme(noise + scale * signal, y).value for scale in (1.0, 4.0))
    assert strong > weak
    assert h_score(noise + 4 * signal, y).value > h_score(noise + signal, y).value


def test_plain_score_by_the_matrices():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    y = torch.arange(40) % 3
    x[y == 1] += 1
    means = torch.stack([x[y == k].mean(0) for k in range(3)])[y]
    expected = float(torch.trace(torch.linalg.inv(torch.cov(x.T)) @ torch.cov(means.T)))
    assert h_score(x, y, shrink=False).value == pytest.approx(expected)
    fit = LedoitWolf().fit(x.numpy())
    covariance = torch.from_numpy(fit.covariance_)
    between = torch.cov(means.T, correction=0)
    expected = (1 - fit.shrinkage_) * float(torch.trace(torch.linalg.inv(covariance) @ between))
    shrunk = h_score(x, y)
    assert shrunk.shrinkage == pytest.approx(fit.shrinkage_)
    assert shrunk.value == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(25, 60), (200, 12)])
def test_shrinkage_is_that_of_scikit_learn(shape):
    x = torch.randn(*shape, dtype=torch.float64) * torch.linspace(0.1, 3, shape[1])
    shrunk = h_score(x, torch.arange(shape[0]) % 2).shrinkage
    assert shrunk == pytest.approx(LedoitWolf().fit(x.numpy()).shrinkage_)


def test_columns_without_variance_do_not_matter():
    x = torch.randn(40, 5, dtype=torch.float64)
    y = torch.arange(40) % 3
    wider = torch.cat([x, torch.full((40, 2), 3.0).double()], 1)
    assert h_score(wider, y, shrink=False).value == pytest.approx(h_score(x, y, shrink=False).value)


def test_classes_that_are_points_score_one_less_than_their_number():
    y = torch.arange(60) % 4
    x = torch.eye(4, 6).double()[y] + 1e-3 * torch.randn(60, 6, dtype=torch.float64)
    assert h_score(x, y, shrink=False).value == pytest.approx(3, rel=1e-3)


@pytest.mark.parametrize("number", [logme, h_score])
def test_unknown_classes_are_left_out(number):
    x = torch.randn(30, 4, dtype=torch.float64)
    y = torch.arange(30) % 3
    expected = number(x, y).value
    more = Features(torch.cat([x, 100 * x[:2]]), torch.cat([y, torch.tensor([-1, -1])]))
    assert number(more).value == pytest.approx(expected)


X, Y = torch.randn(12, 3), torch.arange(12) % 2
WRONG = {
    "one class": (X, 0 * Y, "`labels` must be of at least two known classes, got 1"),
    "other images": (X, Y[1:], r"`labels` must be a tensor \(12,\)"),
    "constant": (torch.ones(12, 3), Y, "`features` must be different in some rows"),
    "nan": (X * torch.nan, Y, "`features` must be finite, got nan in image 0"),
    "few": (X[:3], Y[:3], "`features` must be of at least 4 rows"),
}


@pytest.mark.parametrize("number", [logme, h_score])
@pytest.mark.parametrize(("x", "y", "message"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_named(number, x, y, message):
    with pytest.raises(ValueError, match=message):
        number(x, y)


def test_plain_score_of_few_images_says_nothing():
    with pytest.raises(ValueError, match="`features` must be of more images than their 20 columns"):
        h_score(torch.randn(20, 20), torch.arange(20) % 2, shrink=False)


def test_one_column_is_not_shrunk():
    rows = torch.randn(30, 1, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(30) % 3
    score = h_score(rows, labels)
    assert score.shrinkage == 0
    assert score.value == pytest.approx(h_score(rows, labels, shrink=False).value)
