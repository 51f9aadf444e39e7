"""The batched logistic regression against scikit-learn's, episode by episode."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from instdisc.transfer import fit_episode_logistic


def support_sets(episodes, shots, *, ways=5, width=64, noise=3.0, dtype=torch.float64):
    centres = torch.randn(episodes, ways, 1, width, dtype=dtype)
    points = centres + noise * torch.randn(episodes, ways, shots, width, dtype=dtype)
    labels = torch.arange(ways).repeat_interleave(shots).expand(episodes, -1)
    return F.normalize(points.flatten(1, 2).relu(), dim=2), labels


def peer(features, labels, strength, tolerance=1e-10):
    model = LogisticRegression(C=strength, tol=tolerance, max_iter=20_000)
    return model.fit(features.numpy(), labels.numpy())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strength", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("shots", [1, 5, 20])
def test_equals_scikit_learn(shots, strength, dtype):
    features, labels = support_sets(4, shots)
    fitted = fit_episode_logistic(features.to(dtype), labels, strength=strength)
    assert fitted.coef.dtype == dtype
    for episode in range(4):
        model = peer(features[episode], labels[episode], strength)
        np.testing.assert_allclose(fitted.coef[episode], model.coef_, atol=1e-4)
        np.testing.assert_allclose(fitted.intercept[episode], model.intercept_, atol=1e-4)


def test_unequal_classes_in_any_order_and_fewer_dimensions_than_images():
    features, _ = support_sets(3, 10, ways=3, width=8)
    labels = torch.stack([torch.randperm(30) % 3, torch.arange(30).clamp(max=2), torch.arange(30)])
    labels[2] = (labels[2] > 3).long() + (labels[2] > 10).long()
    fitted = fit_episode_logistic(features, labels, tolerance=1e-7)
    for episode in range(3):
        model = peer(features[episode], labels[episode], 1.0)
        np.testing.assert_allclose(fitted.coef[episode], model.coef_, atol=1e-5)
        np.testing.assert_allclose(fitted.intercept[episode], model.intercept_, atol=1e-5)


def test_long_features_in_float64():
    features, labels = support_sets(2, 5)
    fitted = fit_episode_logistic(20 * features, labels)
    for episode in range(2):
        model = peer(20 * features[episode], labels[episode], 1.0)
        np.testing.assert_allclose(fitted.coef[episode], model.coef_, atol=1e-3)


def test_gradient_vanishes_by_autograd():
    features, labels = support_sets(3, 5)
    fitted = fit_episode_logistic(features, labels, strength=2.0, tolerance=1e-6)
    weights = [part.clone().requires_grad_() for part in fitted]
    logits = features @ weights[0].mT + weights[1][:, None]
    data = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
    (weights[0].square().sum() / 2 + 2.0 * data).backward()
    assert weights[0].grad.flatten(1).norm(dim=1).max() < 1e-6
    assert weights[1].grad.norm(dim=1).max() < 1e-6


def test_two_classes_at_half_the_strength_are_scikit_learns():
    features, labels = support_sets(1, 5, ways=2)
    fitted = fit_episode_logistic(features, labels, strength=0.5, tolerance=1e-7)
    model = peer(features[0], labels[0], 1.0)
    difference = fitted.coef[0, 1] - fitted.coef[0, 0]
    np.testing.assert_allclose(difference, model.coef_[0], atol=1e-5)


def test_equal_points_leave_the_intercept_alone():
    # Nothing to learn from: the closed form is coef 0 and the logarithm of the shares.
    labels = torch.tensor([[0, 0, 0, 1]])
    fitted = fit_episode_logistic(torch.zeros(1, 4, 2, dtype=torch.float64), labels, tolerance=1e-9)
    assert fitted.coef.abs().max() == 0
    expected = torch.tensor([[3.0, 1.0]], dtype=torch.float64).log()
    torch.testing.assert_close(fitted.intercept, expected - expected.mean())


def test_an_episode_does_not_depend_on_its_neighbours():
    features, labels = support_sets(6, 5)
    together = fit_episode_logistic(features, labels, tolerance=1e-8)
    alone = fit_episode_logistic(features[2:3], labels[2:3], tolerance=1e-8)
    torch.testing.assert_close(together.coef[2:3], alone.coef, atol=1e-7, rtol=0)
    # Nor on the basis of the space, nor do the logits on the order of the images.
    turn = torch.linalg.qr(torch.randn(64, 64, dtype=torch.float64)).Q
    order = torch.randperm(25)
    turned = fit_episode_logistic(features[:, order] @ turn, labels[:, order], tolerance=1e-8)
    torch.testing.assert_close(turned.coef, together.coef @ turn, atol=1e-7, rtol=0)


def test_unfinished_episodes_are_told():
    features, labels = support_sets(3, 5)
    with pytest.warns(RuntimeWarning, match="within `max_iter`=2 steps in 3 of 3 episodes"):
        fit_episode_logistic(features, labels, max_iter=2)


def test_bad_input():
    features, labels = support_sets(3, 5)
    with pytest.raises(ValueError, match=r"`labels` \(E, n\), got \(3, 25, 64\) and \(3, 24\)"):
        fit_episode_logistic(features, labels[:, 1:])
    with pytest.raises(ValueError, match="`features` must be"):
        fit_episode_logistic(features[0], labels[0])
    with pytest.raises(ValueError, match="at least two classes, got 0 to 0"):
        fit_episode_logistic(features, labels * 0)
    with pytest.raises(ValueError, match="must begin at 0 .* got -1 to 3"):
        fit_episode_logistic(features, labels - 1)
    for options in ({"strength": 0.0}, {"tolerance": -1.0}, {"max_iter": 1}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be a "):
            fit_episode_logistic(features, labels, **options)
    features[1, 7, 3] = float("nan")
    with pytest.raises(ValueError, match="those of image 7 of episode 1 are not"):
        fit_episode_logistic(features, labels)
