"""Maps of features against the singular value decomposition, and what they keep."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from instdisc.analysis.pictures import align_map, feature_map


def two_groups(count: int = 40) -> torch.Tensor:
    rows = torch.randn(count, 6, generator=torch.Generator().manual_seed(0)).double()
    rows[: count // 2, 0] += 30
    rows[count // 2 :, 1] += 30
    return rows


def test_principal_components_are_those_of_unit_rows():
    rows = two_groups()
    points = feature_map(rows, projection="pca")
    unit = torch.nn.functional.normalize(rows, dim=1).numpy()
    left, sizes, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
    expected = (left * sizes)[:, :2]
    expected = expected / np.linalg.norm(expected)
    assert np.abs(points.numpy()) == pytest.approx(np.abs(expected), abs=1e-9)


def test_features_of_one_column_have_a_map():
    points = feature_map(torch.tensor([[1.0], [-1.0], [2.0], [-3.0]]), projection="pca")
    assert points[:, 1].tolist() == [0, 0, 0, 0]
    assert points[:, 0].abs().tolist() == pytest.approx([0.5] * 4)


@pytest.mark.parametrize("projection", ["tsne", "pca"])
def test_groups_stay_groups_and_the_seed_decides(projection):
    rows = two_groups()
    points = feature_map(rows, projection=projection, seed=1)
    assert torch.equal(points, feature_map(rows, projection=projection, seed=1))
    assert float(points.norm()) == pytest.approx(1)
    assert points.mean(0).tolist() == pytest.approx([0, 0], abs=1e-12)
    distances = torch.cdist(points, points)
    distances.fill_diagonal_(torch.inf)
    nearest = distances.argmin(1)
    assert ((nearest < 20) == (torch.arange(40) < 20)).all()


def test_lengths_of_features_do_not_matter():
    rows = two_groups()
    scaled = rows * torch.arange(1, 41)[:, None]
    assert feature_map(scaled, projection="pca").numpy() == pytest.approx(
        feature_map(rows, projection="pca").numpy(), abs=1e-9
    )


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setitem(feature_map.__globals__, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="package umap-learn is not installed, got 'umap'"):
        feature_map(two_groups(), projection="umap")


def test_umap_is_used_where_it_is_installed(monkeypatch):
    seen = {}

    class Reducer:
        def __init__(self, **options):
            seen.update(options)

        def fit_transform(self, rows):
            return rows[:, :2].astype(np.float32)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Reducer))
    monkeypatch.setitem(feature_map.__globals__, "find_spec", lambda name: object())
    rows = two_groups()
    points = feature_map(rows, projection="umap", seed=5)
    assert seen == {"n_components": 2, "random_state": 5, "n_jobs": 1}
    assert points.numpy() == pytest.approx(feature_map(rows, projection="pca").numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "projection", "message"),
    [
        (torch.eye(3), "pca", "at least 4 rows"),
        (torch.ones(5, 2), "pca", "The representation has collapsed"),
        (torch.full((5, 2), torch.nan), "pca", "must be finite"),
        (torch.eye(5), "tnse", "`projection` must be one of .*Did you mean 'tsne'"),
    ],
)
def test_bad_input_is_refused(rows, projection, message):
    with pytest.raises(ValueError, match=message):
        feature_map(rows, projection=projection)


def test_a_turned_and_mirrored_map_is_turned_back():
    reference = feature_map(two_groups(), projection="pca")
    for angle, mirror in ((0.3, 1.0), (2.5, -1.0)):
        turn = torch.tensor(
            [[np.cos(angle), -np.sin(angle)], [mirror * np.sin(angle), mirror * np.cos(angle)]]
        )
        aligned = align_map(7 * reference @ turn + 3, reference)
        assert aligned.numpy() == pytest.approx(reference.numpy(), abs=1e-9)


def test_no_other_rotation_is_nearer():
    points = torch.randn(30, 2, generator=torch.Generator().manual_seed(1)).double()
    reference = torch.randn(30, 2, generator=torch.Generator().manual_seed(2)).double()
    aligned, fixed = align_map(points, reference), align_map(reference, reference)
    best = float((aligned - fixed).norm())
    for angle in np.linspace(0, 2 * np.pi, 100):
        turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for mirrored in (aligned, aligned * torch.tensor([1.0, -1.0])):
            assert float((mirrored @ turn - fixed).norm()) >= best - 1e-12


def test_distances_within_a_map_stay():
    points = torch.randn(30, 2, generator=torch.Generator().manual_seed(1)).double()
    aligned = align_map(points, points.flip(0))
    ratio = torch.pdist(aligned) / torch.pdist(points)
    assert ratio.numpy() == pytest.approx(float(ratio[0]))


def test_maps_of_other_images_are_not_aligned():
    with pytest.raises(ValueError, match="`points` must be a tensor of 4 rows like `reference`"):
        align_map(torch.zeros(3, 2), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="`reference` must be finite, got nan in image 0"):
        align_map(torch.zeros(3, 2), torch.full((3, 2), torch.nan))
    with pytest.raises(TypeError, match="`points` must be a tensor"):
        align_map([[0, 0]], torch.zeros(1, 2))
