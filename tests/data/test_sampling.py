"""The order of an epoch: what it always was, without a list of all images."""

import pytest
import torch

from instdisc.data import sampling
from instdisc.data.sampling import EpochSampler, draw_order


class Sized:
    """A data set of so many images."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count


def former_batches(count, size, seed, epoch, start, shuffle):
    """As release 0.1.0 made them: runs of then are resumed now."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(count, generator=generator) if shuffle else torch.arange(count)
    return [part.tolist() for part in order[start:].split(size) if len(part)]


@pytest.mark.parametrize("count", [1, 2, 3, 255, 256, 257, 1000, 20_001])
@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_what_they_were(count, shuffle):
    for seed, epoch, size in ((0, 0, 7), (3, 5, 32), (2**32 - 1, 89, 999)):
        sampler = EpochSampler(Sized(count), size, seed=seed, shuffle=shuffle)
        for start in (0, min(size, count), count // 2, count):
            expected = former_batches(count, size, seed, epoch, start, shuffle)
            batches = list(sampler.batches(epoch, start))
            assert [[index for _, index in keys] for keys in batches] == expected
            assert {first for keys in batches for first, _ in keys} <= {epoch}
            assert all(type(index) is int for keys in batches[:2] for _, index in keys)


@pytest.mark.parametrize(
    "count",
    [2, 3, 1000, 65_535, 65_536, 65_537, 1_281_167, pytest.param(10**8, marks=pytest.mark.slow)],
)
def test_the_order_takes_four_bytes_of_an_image(count):
    order = draw_order(count, 7)
    assert order.element_size() == 4
    generator = torch.Generator().manual_seed(7)
    former = torch.randperm(count, generator=generator)
    step = 10**7
    for start in range(0, count, step):
        assert torch.equal(order[start : start + step].long(), former[start : start + step])


def test_more_images_than_four_bytes_can_number(monkeypatch):
    small = draw_order(1000, 0)
    monkeypatch.setattr(sampling, "_LARGEST", 999)
    assert draw_order(1000, 0).dtype == torch.int64
    assert torch.equal(draw_order(1000, 0), small.long())


def test_nothing_is_made_ahead_of_time(monkeypatch):
    """Of a large set in order, not even the order; of a shuffled one the order alone."""
    sampler = EpochSampler(Sized(10**15), 256, seed=0, shuffle=False)
    assert next(sampler.batches(0, 10**14)) == [(0, 10**14 + row) for row in range(256)]
    drawn = []

    def draw(count, seed):
        drawn.append((count, seed))
        return torch.arange(count, dtype=torch.int32)

    monkeypatch.setattr(sampling, "draw_order", draw)
    shuffled = EpochSampler(Sized(1000), 100, seed=4, shuffle=True)
    batches = shuffled.batches(3, 200)
    assert drawn == []
    assert [index for _, index in next(batches)] == list(range(200, 300))
    assert drawn == [(1000, 4 * 1_000_003 + 3)]
