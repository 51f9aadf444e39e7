"""The generator against its published vectors, and what a number depends on."""

import numpy as np
import pytest

from instdisc.data import Draws
from instdisc.data.views.draws import philox

# The known answers of Random123, the generator's reference: counter, key, words.
PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (*PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_published_vectors(counter, key, words):
    found = philox([np.full(3, word, dtype=np.uint64) for word in counter], key)
    assert [word.tolist() for word in found] == [[word] * 3 for word in words]


def table(seed, epoch, indices, view, count=5):
    draws = Draws(seed, epoch, indices, view)
    return np.stack([draws.uniform() for _ in range(count)])  # (count, B)


def test_a_row_does_not_depend_on_its_neighbours():
    crowd = table(1, 2, [3, 900, 4_000_000], 0, count=200)  # more than are made at once
    for column, index in enumerate([3, 900, 4_000_000]):
        np.testing.assert_array_equal(crowd[:, column], table(1, 2, [index], 0, count=200)[:, 0])


def test_all_streams_differ():
    tables = [
        table(seed, epoch, range(3), view)
        for seed in (0, 1, 2**32 - 1)
        for epoch in (0, 1, 77)
        for view in (0, 1, 9)
    ]
    numbers = np.concatenate([each.ravel() for each in tables])
    assert len(np.unique(numbers)) == len(numbers)


def test_numbers_are_uniform_and_independent():
    numbers = table(5, 0, range(20_000), 1, count=6)
    assert numbers.min() > 0
    assert numbers.max() < 1
    shares = np.stack([np.histogram(row, 10, (0, 1))[0] for row in numbers]) / 20_000
    np.testing.assert_allclose(shares, 0.1, atol=0.01)  # standard error 0.002
    correlations = np.corrcoef(numbers)[~np.eye(6, dtype=bool)]
    assert np.abs(correlations).max() < 0.03  # standard error 0.007
    between_images = np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]
    assert abs(between_images) < 0.012


def test_ranges_and_chances():
    draws = Draws(0, 0, range(5000), 0)
    numbers = draws.uniform(-2, 3)
    assert -2 < numbers.min() < -1.99
    assert 2.99 < numbers.max() < 3
    assert draws.chance(0.3).mean() == pytest.approx(0.3, abs=0.03)
    assert not draws.chance(0.0).any()
    assert draws.chance(1.0).all()
    assert len(draws) == 5000
