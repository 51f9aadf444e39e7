"""Orders that need few shards at a time."""

import numpy as np
import pytest
import torch

from instdisc.data.images.order import EpochOrder, draw_by_shards

SHARDS = [[1], [0, 3], [7] * 9, [3, 0, 9, 1, 1, 30], [1] * 40, [20] * 23 + [17]]


@pytest.mark.parametrize("counts", SHARDS)
def test_each_image_comes_once(counts):
    total = sum(counts)
    for lanes in (1, 2, 3, 8):
        for window in (1, 2, 5, 16, 100):
            order = draw_by_shards(np.array(counts), seed=window, window=window, lanes=lanes)
            assert order.rows.dtype == torch.int32
            assert sorted(order.rows.tolist()) == list(range(total))
            for size in (3, 1000):
                rest = [order.batch(first, size) for first in range(2, total, size)]
                together = torch.cat([order.rows[:2], *rest])
                assert sorted(together.tolist()) == list(range(total))


def test_a_batch_is_the_next_images_lane_by_lane():
    order = EpochOrder(torch.randperm(50), lanes=3)
    for first, size in ((0, 6), (5, 7), (48, 6), (49, 1)):
        batch = order.batch(first, size)
        assert set(batch.tolist()) == set(order.rows[first : first + size].tolist())
        lanes = [order.rows.tolist().index(row) % 3 for row in batch.tolist()]
        assert lanes == sorted(lanes)
    assert torch.equal(EpochOrder(torch.arange(9)).batch(2, 3), torch.arange(2, 5))


def live(order, shards):
    """The most shards that are between their first and last image at any place of an order."""
    places = {}
    for place, shard in enumerate(shards[order.rows.long()].tolist()):
        places.setdefault(shard, []).append(place)
    changes = np.zeros(len(order.rows) + 1, int)
    for each in places.values():
        changes[each[0]] += 1
        changes[each[-1] + 1] -= 1
    return changes.cumsum().max()


@pytest.mark.parametrize("lanes", [1, 2, 3, 8])
@pytest.mark.parametrize("window", [1, 4, 8, 24])
def test_few_shards_are_needed_at_a_time(lanes, window):
    counts = np.full(96, 40)
    shards = torch.arange(96).repeat_interleave(40)
    order = draw_by_shards(counts, seed=0, window=window, lanes=lanes)
    assert live(order, shards) <= max(window, lanes)
    uneven = np.random.RandomState(0).randint(1, 80, 96)
    order = draw_by_shards(uneven, seed=0, window=window, lanes=lanes)
    # Two that neighbouring lanes share make one more lane of each pair, at most.
    shards = torch.arange(96).repeat_interleave(torch.from_numpy(uneven))
    assert live(order, shards) <= max(window, lanes) + lanes


def test_lanes_share_no_more_than_their_ends():
    counts = np.full(30, 10)
    rows = draw_by_shards(counts, seed=0, window=4, lanes=4).rows // 10
    lanes = [set(rows[lane::4].tolist()) for lane in range(4)]
    assert sum(map(len, lanes)) - 30 <= 3
    whole = draw_by_shards(np.full(32, 10), seed=0, window=4, lanes=4).rows // 10
    assert sum(len(set(whole[lane::4].tolist())) for lane in range(4)) == 32


def test_it_is_a_function_of_the_seed_alone():
    counts = np.array([5, 9, 2, 8, 8, 1, 30])
    one, again, other = (
        draw_by_shards(counts, seed=seed, window=4, lanes=2).rows for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_all_images_of_a_window_are_as_likely_anywhere():
    """Where all shards are in the window, each image has each place as often."""
    mean = torch.zeros(24)
    for seed in range(500):
        rows = draw_by_shards(np.array([12, 12]), seed=seed, window=8, lanes=1).rows
        mean[rows.long()] += torch.arange(24)
    mean /= 500
    assert (mean - 11.5).abs().max() < 4 * 24 / 12**0.5 / 500**0.5
    # Else a shard is spread over the steps at which it is among the w, evenly but at the ends.
    rows = draw_by_shards(np.full(40, 100), seed=0, window=5, lanes=1).rows // 100
    places = [(rows == shard).nonzero()[:, 0] for shard in range(40)]
    lengths = sorted(int(place[-1] - place[0]) for place in places)
    assert lengths[10] > 450
    assert lengths[-1] <= 100 * 5 + 5 * 100


def test_shards_of_one_image_each_are_shuffled():
    rows = draw_by_shards(np.ones(2000, int), seed=0, window=2000, lanes=8).rows
    assert abs(np.corrcoef(np.arange(2000), rows.numpy())[0, 1]) < 0.1
