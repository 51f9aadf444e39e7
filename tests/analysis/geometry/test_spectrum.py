"""Rank and spectrum: golden numbers, naive sums, closed forms, and what a Gram matrix loses."""

import math

import numpy as np
import pytest
import torch

from instdisc.analysis.geometry import (
    alpha_req,
    lidar,
    participation_ratio,
    rankme,
    spectrum,
    stable_rank,
)
from instdisc.analysis.geometry.decomposition import gram, right_vectors, singular_values
from instdisc.analysis.geometry.spectrum import effective_rank, spectrum_of


def test_golden(spectrum_case, made, close):
    x = made(spectrum_case)["X"]
    assert rankme(x) == close(spectrum_case["rankme"])
    assert participation_ratio(x) == close(spectrum_case["participation_ratio"])
    assert stable_rank(x) == close(spectrum_case["stable_rank_uncentred"])
    assert stable_rank(x, centred=True) == close(spectrum_case["stable_rank_centred"])
    both = spectrum(x)
    assert both.eigenvalues[:5].tolist() == close(spectrum_case["top_eigenvalues"])
    top = spectrum_case["top_singular_values_uncentred"]
    assert both.singular_values[:5].tolist() == close(top)
    if "alpha_ols_all" in spectrum_case:
        assert alpha_req(x).alpha == close(spectrum_case["alpha_ols_all"])
    if "alpha_ols_11_100" in spectrum_case:
        fit = alpha_req(x, first=11, last=100)
        assert fit.alpha == close(spectrum_case["alpha_ols_11_100"])
        fit = alpha_req(x, first=11, last=100, weights="1/rank")
        assert fit.alpha == close(spectrum_case["alpha_weighted_11_100"])
        assert fit[1:] == (11, 100, "1/rank")


def test_golden_lidar(lidar_case, made, close):
    assert lidar(made(lidar_case)["Z"]) == close(lidar_case["lidar"])


def test_rankme_by_a_loop():
    x = torch.randn(30, 7, dtype=torch.float64)
    values = np.linalg.svd(x.numpy(), compute_uv=False)
    entropy = 0.0
    for value in values:
        share = value / values.sum() + 1e-7
        entropy -= share * math.log(share)
    assert rankme(x) == pytest.approx(math.exp(entropy), rel=1e-12)


def test_lidar_by_the_matrix():
    z = torch.randn(20, 3, 5, dtype=torch.float64)
    means = z.mean(1)
    inside = sum(torch.outer(v - m, v - m) for vs, m in zip(z, means, strict=True) for v in vs) / 60
    within = inside + 1e-4 * torch.eye(5)
    values, vectors = torch.linalg.eigh(within)
    root = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    between = torch.cov(means.T)
    shares = torch.linalg.eigvalsh(root @ between @ root)
    shares = shares / shares.sum() + 1e-7
    assert lidar(z) == pytest.approx(float((-(shares * shares.log()).sum()).exp()))


def test_alpha_by_polyfit():
    x = torch.randn(60, 12, dtype=torch.float64)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(x.numpy().T)))[::-1]
    slope, _ = np.polyfit(np.log(np.arange(2, 11)), np.log(eigenvalues[1:10]), 1)
    assert alpha_req(x, first=2, last=10).alpha == pytest.approx(-slope)
    ranks = np.arange(2, 11)
    slope, _ = np.polyfit(np.log(ranks), np.log(eigenvalues[1:10]), 1, w=ranks**-0.5)
    fit = alpha_req(x, first=2, last=10, weights="1/rank")
    assert fit.alpha == pytest.approx(-slope)


def test_equal_directions():
    rows = torch.cat([torch.eye(6), -torch.eye(6)]).double()
    assert rankme(rows) == pytest.approx(6, rel=1e-5)
    assert participation_ratio(rows) == pytest.approx(6)
    assert stable_rank(rows) == pytest.approx(6)
    assert alpha_req(rows).alpha == pytest.approx(0, abs=1e-12)


def test_one_direction():
    rows = torch.outer(torch.arange(1.0, 9), torch.ones(4))
    assert rankme(rows) == pytest.approx(1, abs=1e-4)
    assert participation_ratio(rows) == pytest.approx(1)
    assert stable_rank(rows) == pytest.approx(1)


def test_rotation_and_scale_do_not_matter():
    x = torch.randn(40, 5, dtype=torch.float64) * torch.tensor([3.0, 2, 1, 1, 0.5])
    turned = 7 * x @ torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64)).Q
    for number in (rankme, participation_ratio, stable_rank, lambda rows: alpha_req(rows).alpha):
        assert number(turned) == pytest.approx(number(x))


def test_lidar_looks_at_what_views_do_not_share():
    means = torch.zeros(16, 1, 8)
    means[:, 0, :2] = torch.randn(16, 2)
    noise = torch.zeros(16, 4, 8)
    noise[..., 2:] = 5 * torch.randn(16, 4, 6)
    noise -= noise.mean(1, keepdim=True)
    assert rankme((means + noise).flatten(0, 1)) > 5
    assert lidar(means + noise) == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("shape", [(300, 40), (40, 300), (60, 50)])
def test_the_gram_matrix_gives_the_same_spectrum(shape):
    rows = torch.randn(*shape, dtype=torch.float64) + 1
    exact, near = singular_values(rows), singular_values(rows, exact_side=8)
    torch.testing.assert_close(near, exact, rtol=1e-10, atol=0)
    assert effective_rank(near) == pytest.approx(effective_rank(exact), rel=1e-9)
    torch.testing.assert_close(gram(rows), rows.T @ rows)
    for side in (8, 1000):
        values, vectors = right_vectors(rows, exact_side=side)
        torch.testing.assert_close(values, exact, rtol=1e-10, atol=0)
        torch.testing.assert_close(vectors.T @ vectors, torch.eye(len(values)).double())
        torch.testing.assert_close((rows @ vectors).norm(dim=0), values)


def test_one_gram_matrix_gives_both_spectra():
    rows = torch.randn(300, 40, dtype=torch.float64) + 3
    exact, near = spectrum_of(rows), spectrum_of(rows, exact_side=8)
    torch.testing.assert_close(near.singular_values, exact.singular_values, rtol=1e-10, atol=0)
    torch.testing.assert_close(near.eigenvalues, exact.eigenvalues, rtol=1e-9, atol=0)


def test_what_the_gram_matrix_loses_of_a_low_rank():
    rows = torch.randn(400, 6, dtype=torch.float64) @ torch.randn(6, 90, dtype=torch.float64)
    exact, near = singular_values(rows), singular_values(rows, exact_side=8)
    assert float(exact[6:].max()) < 1e-12 * float(exact[0])
    assert float(near[6:].max()) < 1e-6 * float(exact[0])
    assert effective_rank(near) == pytest.approx(effective_rank(exact), rel=1e-4)
    assert len(right_vectors(rows)[0]) == len(right_vectors(rows, exact_side=8)[0]) == 6


def test_alpha_ends_at_rounding():
    rows = torch.randn(50, 5, dtype=torch.float64) @ torch.randn(5, 20, dtype=torch.float64)
    assert alpha_req(rows).last == 5
    with pytest.raises(ValueError, match="`last` must be .* at most 5, got 9. The features have 5"):
        alpha_req(rows, last=9)


NUMBERS = {
    "rankme": rankme,
    "participation_ratio": participation_ratio,
    "stable_rank": stable_rank,
    "alpha_req": alpha_req,
    "spectrum": spectrum,
}
WRONG = {
    "few": (torch.eye(3), "`features` must be of at least 4 rows"),
    "constant": (torch.ones(5, 2), "`features` must be different in some rows"),
    "infinite": (torch.eye(5) / 0, "`features` must be finite"),
    "no matrix": (torch.ones(5), r"`features` must be a tensor \(N, D\)"),
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize(("rows", "message"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_named(number, rows, message):
    with pytest.raises(ValueError, match=message):
        number(rows)


def test_wrong_options_of_alpha_are_named():
    rows = torch.randn(30, 8)
    with pytest.raises(ValueError, match="`first` must be a whole number of at least 1"):
        alpha_req(rows, first=0)
    with pytest.raises(ValueError, match="`last` must be a whole number of at least 5"):
        alpha_req(rows, first=3, last=4)
    with pytest.raises(ValueError, match="`weights` must be one of 'equal', '1/rank'"):
        alpha_req(rows, weights="rank")


def test_wrong_views_are_named():
    z = torch.randn(6, 3, 4)
    with pytest.raises(ValueError, match="`views` must be of at least 2 views of each image"):
        lidar(z[:, :1])
    with pytest.raises(ValueError, match="`views` must be of at least 4 rows"):
        lidar(z[:3])
    with pytest.raises(ValueError, match=r"`views` must be a tensor \(N, Q, D\)"):
        lidar(z[0])
    with pytest.raises(ValueError, match="`views` must be different in some rows"):
        lidar(z[:1].expand(6, -1, -1))
    with pytest.raises(ValueError, match="`views` must be finite, got nan in image 0"):
        lidar(z * torch.nan)
    with pytest.raises(ValueError, match="`delta` must be a finite number above 0"):
        lidar(z, delta=0)


def test_delta_that_is_lost_beside_large_features():
    views = torch.randn(5, 2, 40, generator=torch.Generator().manual_seed(0)).double()
    with pytest.raises(ValueError, match="`delta` must be above the rounding of the covariance"):
        lidar(views * 1e10)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_participation_ratio_of_huge_and_tiny_features(scale):
    rows = torch.randn(20, 4, generator=torch.Generator().manual_seed(1)).double()
    assert participation_ratio(rows * scale) == pytest.approx(participation_ratio(rows))
