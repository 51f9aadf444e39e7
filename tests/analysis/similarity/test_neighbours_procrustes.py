"""Mutual k-NN and Procrustes: published numbers, other packages, loops, ties, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.neighbors import NearestNeighbors

from instdisc.analysis.similarity import mutual_knn, procrustes
from instdisc.analysis.similarity.neighbours import nearest_neighbours, shared_neighbours
from instdisc.analysis.similarity.procrustes import procrustes_interval

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


def arrays(recipe):
    values = {"np": np}
    exec(recipe, values)
    return torch.tensor(values["X"]), torch.tensor(values["Y"])


@pytest.mark.parametrize("case", GOLDEN["mutual_knn"], ids=lambda case: case["name"])
def test_mutual_knn_golden(case):
    x, y = arrays(case["recipe"])
    for k, golden in case["k"].items():
        assert mutual_knn(x, y, k=int(k)) == pytest.approx(golden["cosine"], abs=1e-9)
        near = [nearest_neighbours(rows, int(k)) for rows in (x, y)]
        shares = shared_neighbours(*near)[:5].tolist()
        assert shares == pytest.approx(golden["first_five_rows"], abs=1e-12)


def test_neighbours_are_those_of_scikit_learn_whatever_the_chunks(monkeypatch):
    x = torch.randn(50, 7)
    expected = NearestNeighbors(n_neighbors=4, metric="cosine").fit(x.numpy())
    expected = np.sort(expected.kneighbors(return_distance=False), axis=1)  # without itself
    np.testing.assert_array_equal(nearest_neighbours(x, 4), expected)
    monkeypatch.setattr("instdisc.analysis.similarity.neighbours._VALUES", 60)
    np.testing.assert_array_equal(nearest_neighbours(x, 4), expected)


def test_of_equally_near_images_the_first_counts():
    x = torch.tensor([[1.0, 0], [1, 0], [2, 0], [0.5, 0], [0, 1], [3, 0]])
    near = nearest_neighbours(x, 2)
    assert near[0].tolist() == [1, 2]
    assert near[5].tolist() == [0, 1]
    assert near[4].tolist() == [0, 1]
    zero = torch.cat([torch.zeros(1, 2), x])
    assert nearest_neighbours(zero, 2)[0].tolist() == [1, 2]
    assert mutual_knn(x, 5 * x, k=5) == 1


@pytest.mark.parametrize("case", GOLDEN["procrustes"], ids=lambda case: case["name"])
def test_procrustes_golden(case):
    x, y = arrays(case["recipe"])
    assert procrustes(x, y) == pytest.approx(case["distance_2_minus_2_nuclear"], rel=1e-8)


@pytest.mark.parametrize("widths", [(6, 6), (40, 40), (5, 40)])
def test_procrustes_is_the_residual_of_the_best_rotation(widths):
    x, y = (torch.randn(20, width).double() for width in widths)
    unit = [rows - rows.mean(0) for rows in (x, y)]
    unit = [np.pad(rows / rows.norm(), ((0, 0), (0, max(widths) - rows.shape[1]))) for rows in unit]
    rotation, _ = orthogonal_procrustes(*unit)
    residual = np.square(unit[0] @ rotation - unit[1]).sum()
    assert procrustes(x, y) == pytest.approx(residual, rel=1e-9)
    assert procrustes_interval(x, y).value == pytest.approx(residual, rel=1e-9)


def test_procrustes_of_rotated_scaled_and_moved_is_zero():
    x = torch.randn(30, 5).double()
    rotation = torch.linalg.qr(torch.randn(5, 5).double()).Q
    assert procrustes(x, 2 * x @ rotation - 1) == pytest.approx(0, abs=1e-12)
    assert procrustes(x, x @ torch.randn(5, 5).double()) > 0.01


def test_procrustes_interval_has_the_spread_of_repeated_draws():
    generator = torch.Generator().manual_seed(0)
    values, errors = [], []
    for _ in range(150):
        x = torch.randn(200, 4, generator=generator) * torch.tensor([3.0, 2, 1, 0.5])
        y = x + torch.randn(200, 4, generator=generator)
        value, (low, high) = procrustes_interval(x, y)
        assert value == pytest.approx(procrustes(x, y), abs=1e-12)
        values.append(value)
        errors.append((high - low) / (2 * 1.96))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_refusals():
    x = torch.randn(8, 3)
    with pytest.raises(ValueError, match="`k` must be a whole number of at least 1 and at most 7"):
        mutual_knn(x, x, k=8)
    with pytest.raises(ValueError, match="`b` must be of the same 8 images"):
        mutual_knn(x, x[1:], k=2)
    with pytest.raises(ValueError, match="`a` must be different in some rows"):
        procrustes(torch.ones(8, 2), x)
    with pytest.raises(ValueError, match="`b` must be finite, got nan in image 0"):
        procrustes(x, x * float("nan"))
