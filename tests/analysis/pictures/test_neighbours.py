"""Nearest neighbours against a loop and against scikit-learn."""

import inspect
import math

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from instdisc.analysis.pictures import neighbours
from instdisc.transfer import Features


def random_rows(count: int = 60, width: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)).double()


def by_loop(rows: torch.Tensor, query: int, k: int) -> list[int]:
    values = rows.tolist()

    def cosine(a: list[float], b: list[float]) -> float:
        product = sum(x * y for x, y in zip(a, b, strict=True))
        return product / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    others = [row for row in range(len(values)) if row != query]
    return sorted(others, key=lambda row: (-round(cosine(values[query], values[row]), 12), row))[:k]


def test_equals_a_loop():
    rows = random_rows()
    result = neighbours(rows, [0, 7, 59], k=10)
    for place, query in enumerate([0, 7, 59]):
        assert result.rows[place].tolist() == by_loop(rows, query, 10)


def test_equals_scikit_learn():
    rows = random_rows(200, 16)
    model = NearestNeighbors(n_neighbors=6, metric="cosine").fit(rows.numpy())
    distances, expected = model.kneighbors(rows.numpy())
    result = neighbours(rows, torch.arange(200), k=5)
    assert (result.rows.numpy() == expected[:, 1:]).all()
    assert result.cosines.numpy() == pytest.approx(1 - distances[:, 1:], abs=1e-12)


def test_chunks_do_not_matter(monkeypatch):
    rows = random_rows()
    whole = neighbours(rows, torch.arange(60), k=7)
    monkeypatch.setitem(inspect.unwrap(neighbours).__globals__, "_CELLS", 100)
    assert torch.equal(neighbours(rows, torch.arange(60), k=7).rows, whole.rows)


def test_lengths_and_rotations_do_not_matter():
    rows = random_rows()
    rotation = torch.linalg.qr(random_rows(12, 12, seed=1)).Q
    moved = (rows @ rotation) * torch.arange(1, 61)[:, None]
    asked = torch.arange(60)
    assert torch.equal(neighbours(moved, asked).rows, neighbours(rows, asked).rows)


def test_of_equal_ones_the_lowest_comes_first():
    # Six copies in each of three directions, so that every k cuts through copies.
    rows = torch.eye(3).repeat_interleave(6, 0).double()[torch.arange(18) * 7 % 18]
    for k in range(1, 17):
        result = neighbours(rows, torch.arange(18), k=k).rows
        for query in range(18):
            assert result[query].tolist() == by_loop(rows, query, k)


def test_a_copy_of_the_query_is_its_neighbour():
    rows = random_rows(8)
    rows[5] = 3 * rows[2]
    result = neighbours(rows, [2], k=1)
    assert result.rows.tolist() == [[5]]
    assert float(result.cosines) == pytest.approx(1)


def test_takes_features():
    rows = random_rows(8).float()
    features = Features(rows, torch.zeros(8, dtype=torch.int64))
    assert torch.equal(neighbours(features, [1], k=3).rows, neighbours(rows, [1], k=3).rows)


@pytest.mark.parametrize(
    ("queries", "k", "kind", "message"),
    [
        ([0], 8, ValueError, "`k` must be .* at most 7, got 8. Each of the 8 images has 7 others"),
        ([0], 0, ValueError, "`k` must be a whole number of at least 1"),
        ([8], 2, ValueError, "`queries` must be a whole number of at least 0 and at most 7, got 8"),
        ([], 2, ValueError, "`queries` must be at least one position"),
        (torch.tensor([-1]), 2, ValueError, "`queries` must be positions from 0 to 7, got -1"),
        (torch.tensor([0.5]), 2, TypeError, "`queries` must be of torch.int64"),
        (torch.tensor([[1]]), 2, ValueError, r"`queries` must be a tensor \(Q,\)"),
    ],
)
def test_bad_queries_are_refused(queries, k, kind, message):
    with pytest.raises(kind, match=message):
        neighbours(random_rows(8), queries, k=k)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (random_rows(3), "at least 4 rows"),
        (torch.ones(5, 2), "The representation has collapsed"),
        (torch.full((5, 2), torch.nan), "must be finite"),
    ],
)
def test_bad_features_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        neighbours(rows, [0], k=1)
