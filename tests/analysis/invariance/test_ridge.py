import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV

from instdisc.analysis.invariance import RidgePath, ridge

# Penalty, R2 of each of three parameters on rows 80 to 119; another program's numbers.
GOLDEN = [
    (0.001, [0.5110392977, 0.9798497496, -0.08248556075]),
    (1.0, [0.5214687123, 0.9665433803, -0.07367051366]),
    (100.0, [0.2903439701, 0.2368593098, -0.008409716049]),
]


def golden_rows():
    r = np.random.RandomState(91)
    features = r.standard_normal((120, 10)) * np.arange(1, 11) ** -0.5 + 2.0
    weights = r.standard_normal((10, 3))
    noise = r.standard_normal((120, 3))
    targets = features @ weights * np.array([1.0, 5.0, 0.0]) + noise
    assert features.sum() == pytest.approx(2374.636322)
    assert targets.sum() == pytest.approx(1476.50251)
    return torch.from_numpy(features), torch.from_numpy(targets)


@pytest.mark.parametrize(("penalty", "expected"), GOLDEN)
def test_golden(penalty, expected):
    features, targets = golden_rows()
    told = RidgePath(features[:80], targets[:80]).predict(features[80:], penalty)
    truth = targets[80:]
    r2 = 1 - (told - truth).square().sum(0) / (truth - truth.mean(0)).square().sum(0)
    assert r2.tolist() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("shape", [(60, 7), (12, 40)])  # either Gram matrix
def test_weights_are_those_of_scikit_learn(shape):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(*shape, generator=generator).double() + 3
    targets = torch.randn(shape[0], 4, generator=generator).double()
    path = RidgePath(features, targets)
    for penalty in (1e-3, 1.0, 50.0):
        reference = Ridge(alpha=penalty).fit(features.numpy(), targets.numpy())
        np.testing.assert_allclose(path.weights(penalty).T.numpy(), reference.coef_, rtol=1e-7)
        asked = torch.randn(5, shape[1], generator=generator).double()
        expected = reference.predict(asked.numpy())
        np.testing.assert_allclose(path.predict(asked, penalty).numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize("shape", [(30, 5), (10, 25)])
def test_left_out_errors_are_those_of_fits_without_the_image(shape):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(*shape, generator=generator).double()
    targets = torch.randn(shape[0], 2, generator=generator).double() + 1
    penalties = [0.1, 3.0]
    errors = RidgePath(features, targets).left_out_errors(penalties)
    for place, penalty in enumerate(penalties):
        naive = torch.zeros(2, dtype=torch.float64)
        for row in range(shape[0]):
            rest = [k for k in range(shape[0]) if k != row]
            fit = Ridge(alpha=penalty).fit(features[rest].numpy(), targets[rest].numpy())
            told = torch.from_numpy(fit.predict(features[row : row + 1].numpy()))[0]
            naive += (told - targets[row]).square() / shape[0]
        assert errors[place].tolist() == pytest.approx(naive.tolist(), rel=1e-8)
    reference = RidgeCV(alphas=penalties, store_cv_results=True)
    reference.fit(features.numpy(), targets.numpy())
    mean = reference.cv_results_.mean(0).T  # (L, T)
    np.testing.assert_allclose(errors.numpy(), mean, rtol=1e-8)


def test_left_out_errors_do_not_depend_on_the_pieces(monkeypatch):
    features, targets = golden_rows()
    path = RidgePath(features, targets)
    whole = path.left_out_errors([1.0, 10.0])
    monkeypatch.setattr(ridge, "_AT_ONCE", 70)
    assert torch.allclose(path.left_out_errors([1.0, 10.0]), whole, rtol=1e-12)


def test_without_penalty_it_is_least_squares_also_of_dependent_columns():
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(20, 3, generator=generator).double()
    doubled = torch.cat([features, features], 1)
    targets = features @ torch.tensor([[1.0], [2.0], [-1.0]]).double() + 5
    told = RidgePath(doubled, targets).predict(doubled, 0)
    assert torch.allclose(told, targets, atol=1e-9)


def test_float32_is_computed_in_float64():
    features, targets = golden_rows()
    told = RidgePath(features.float(), targets.float()).predict(features[:3], 1.0)
    exact = RidgePath(features, targets).predict(features[:3], 1.0)
    assert told.dtype == torch.float64
    assert torch.allclose(told, exact, rtol=1e-5)


def test_bad_input_is_refused():
    features, targets = golden_rows()
    with pytest.raises(ValueError, match=r"`targets` must be a tensor \(120, T\)"):
        RidgePath(features, targets[:80])
    with pytest.raises(ValueError, match="`targets` must be finite, got nan in image 3"):
        RidgePath(features, torch.where(torch.arange(120)[:, None] == 3, torch.nan, targets))
    with pytest.raises(ValueError, match="`features` must be of at least 4 rows"):
        RidgePath(features[:3], targets[:3])
    with pytest.raises(ValueError, match="`features` must be different in some rows"):
        RidgePath(torch.ones(120, 3), targets)
    path = RidgePath(features, targets)
    with pytest.raises(ValueError, match="`penalty` must be a finite number of at least 0, got -1"):
        path.weights(-1)
    with pytest.raises(ValueError, match=r"`features` must be a tensor \(M, 10\)"):
        path.predict(features[:, :4], 1.0)
