"""Alignment and uniformity: golden numbers, naive loops, closed forms."""

import math

import pytest
import torch

from instdisc.analysis.geometry import alignment, uniformity
from instdisc.transfer import Features


def test_golden(sphere_case, made, close):
    x, y = made(sphere_case)["X"], made(sphere_case)["Y"]
    assert alignment(x, y) == close(sphere_case["alignment"])
    assert uniformity(x).value == close(sphere_case["uniformity_x"])
    assert uniformity(y).value == close(sphere_case["uniformity_y"])


def test_all_pairs_by_a_loop():
    x, y = torch.randn(2, 9, 5, dtype=torch.float64)
    units = [row / row.norm() for row in x]
    others = [row / row.norm() for row in y]
    near = [float((a - b) @ (a - b)) for a, b in zip(units, others, strict=True)]
    assert alignment(x, y) == pytest.approx(sum(near) / 9)
    potentials = [
        math.exp(-3 * float((units[i] - units[j]) @ (units[i] - units[j])))
        for i in range(9)
        for j in range(i)
    ]
    assert uniformity(x, t=3.0).value == pytest.approx(math.log(sum(potentials) / 36))


def test_closed_forms():
    assert alignment(torch.eye(4), -torch.eye(4)) == pytest.approx(4.0)
    # All pairs at a right angle: squared distance 2.
    assert uniformity(torch.eye(5)).value == pytest.approx(-4.0)
    assert uniformity(torch.eye(5)).error == pytest.approx(0.0, abs=1e-12)


def test_blocks_of_pairs_do_not_matter(monkeypatch):
    x = torch.randn(50, 4)
    whole = uniformity(x)
    monkeypatch.setattr("instdisc.analysis.geometry.sphere._AT_ONCE", 130)
    assert uniformity(x).value == pytest.approx(whole.value, rel=1e-12)
    assert uniformity(x).error == pytest.approx(whole.error, rel=1e-9)


def test_drawn_images_are_told_and_near_all():
    x = torch.randn(600, 8, dtype=torch.float64)
    x[:, 0] += 2
    whole, drawn = uniformity(x, max_images=None), uniformity(x, max_images=300)
    assert (whole.images, drawn.images) == (600, 300)
    assert abs(whole.value - drawn.value) < 4 * drawn.error
    assert uniformity(x, max_images=300) == drawn
    assert uniformity(x, max_images=300, seed=3) != drawn
    # Twice the images: an error smaller by the root of two.
    assert drawn.error / whole.error == pytest.approx(2**0.5, rel=0.2)


def test_error_is_that_of_many_sets():
    values, errors = [], []
    for seed in range(150):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(80, 3, generator=generator) + torch.tensor([1.0, 0, 0])
        value, _, error = uniformity(x)
        values.append(value)
        errors.append(error)
    spread = float(torch.tensor(values).std())
    assert sum(errors) / 150 == pytest.approx(spread, rel=0.2)


X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def test_views_of_other_images_are_refused():
    with pytest.raises(ValueError, match="`views_b` must be of the same 6 images as `views_a`"):
        alignment(X, X[:5])
    labels = torch.zeros(6, dtype=torch.int64)
    a, b = Features(X, labels, list("abcdef")), Features(X, labels, list("abcdfe"))
    with pytest.raises(ValueError, match="`views_b` must be of the same images as `views_a`"):
        alignment(a, b)
    with pytest.raises(ValueError, match=r"`views_b` must be a tensor \(N, 3\)"):
        alignment(X, X[:, :2])


def test_zeros_and_wrong_numbers_are_named():
    some = X.clone()
    some[2] = 0
    with pytest.raises(ValueError, match="`views_b` must be without rows of zeros.*image 2"):
        alignment(X, some)
    with pytest.raises(ValueError, match="`features` must be without rows of zeros.*image 2"):
        uniformity(some)
    with pytest.raises(ValueError, match="`t` must be a finite number above 0"):
        uniformity(X, t=0)
    with pytest.raises(ValueError, match="`t` must be so small"):
        uniformity(torch.eye(4), t=1e6)
    with pytest.raises(ValueError, match="`max_images` must be a whole number of at least 4"):
        uniformity(X, max_images=2)
    with pytest.raises(ValueError, match="`features` must be different in some rows"):
        uniformity(torch.ones(5, 2))
