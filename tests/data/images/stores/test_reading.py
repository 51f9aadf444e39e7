"""Batches of a set in a store: their order, what is copied for them, several processes."""

import itertools
import threading
from functools import partial

import pytest
import torch

from instdisc.data import (
    EpochOrder,
    HeldOut,
    ImageSubset,
    ReadAhead,
    StratifiedSubset,
    ViewDataset,
    ViewLoader,
    split_per_class,
    view_policy,
)
from instdisc.data.images.stores import place
from instdisc.data.sampling import EpochSampler
from instdisc.distributed import rank

from ....processes import run_on_processes
from .conftest import COUNT, PER_SHARD

SHARDS = COUNT // PER_SHARD


def loader(images, size=6, **options):
    views = ViewDataset(images, [view_policy("moco_v2", 8)] * 2, seed=3)
    return ViewLoader(views, size, **{"drop_last": False, **options})


def orders(batches):
    return [batch.indices.tolist() for batch in batches]


def flat(lists):
    return [*itertools.chain.from_iterable(lists)]


def equal(batches, others):
    pairs = zip(batches, others, strict=True)
    return all(
        torch.equal(a.indices, b.indices) and all(map(torch.equal, a.images, b.images))
        for a, b in pairs
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_copies_each_shard_once(stored, workers, monkeypatch):
    monkeypatch.setattr(place, "_TOUCH", 0)  # here an epoch takes less
    images = stored.open(room=4 + 2 + 2, window=4, lanes=2, ahead=2)
    batches = list(loader(images, num_workers=workers))
    assert sorted(flat(orders(batches))) == list(range(COUNT))
    copied = stored.copied()
    assert sorted(set(copied)) == images.shards
    if not workers:  # two, that make ten batches in advance, need more room
        assert len(copied) == SHARDS
    assert len(list((stored.folder / "copies").glob("*.tar"))) <= 8


def test_batches_are_the_same_from_workers_and_after_a_resume(stored):
    images = stored.open(window=4, lanes=2)
    expected = list(loader(images))
    assert equal(list(loader(images, num_workers=2)), expected)
    stopped = loader(images)
    iterator = iter(stopped)
    for _ in range(3):
        next(iterator)
    resumed = loader(stored.open(window=4, lanes=2), num_workers=2)
    resumed.load_state_dict(stopped.state_dict())
    assert equal(list(resumed), expected[3:])
    # In batches of another size the rest of the images comes, each once.
    other = loader(images, size=8)
    other.load_state_dict(stopped.state_dict())
    rest = flat(orders(list(other)))
    assert sorted(rest) == sorted(flat(orders(expected[3:])))


def _on_a_process(_, stored, size):
    images = stored.open(copies=stored.folder / f"copies-{rank()}", window=4, lanes=4, ahead=1)
    (stored.folder / f"log-{rank()}.txt").touch()
    images._place.store.options["log"] = str(stored.folder / f"log-{rank()}.txt")
    batches = list(loader(images, size=size))
    lines = (stored.folder / f"log-{rank()}.txt").read_text().splitlines()
    return orders(batches), [batch.images[0] for batch in batches], [li.split()[0] for li in lines]


@pytest.mark.parametrize("size", [6, 5])  # of each: 12 are four equal parts, 10 are not
def test_two_processes_have_halves_and_shards_of_their_own(stored, size, tmp_path):
    batches = list(loader(stored.open(window=4, lanes=4), size=2 * size))
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    halves = run_on_processes(partial(_on_a_process, stored=stored, size=size), meeting)
    for number, batch in enumerate(batches):
        together = halves[0][0][number] + halves[1][0][number]
        assert together == batch.indices.tolist()[: len(together)]
        assert torch.equal(
            torch.cat([half[1][number] for half in halves]), batch.images[0][: len(together)]
        )
    copied = [half[2] for half in halves]
    assert [len(names) for names in copied] == [len(set(names)) for names in copied]
    if size == 6:  # and the shard where one's last lane ends, which is the next one's first
        assert set(copied[0]) | set(copied[1]) == set(stored.local.shards)
        assert len(set(copied[0]) & set(copied[1])) <= 1


def test_two_processes_of_a_machine_share_copies(stored, tmp_path):
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    run_on_processes(partial(_on_a_machine, stored=stored), meeting)
    copied = stored.copied()
    assert sorted(copied) == stored.local.shards  # each once


def _on_a_machine(_, stored):
    images = stored.open(window=4, lanes=2, ahead=2, options={"slow": 0.01})
    return len(list(loader(images)))


def some_of(stored):
    images = stored.open(window=4, lanes=2)
    shuffled = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))[:31]
    return {
        "half": split_per_class(images, 0.5).train,
        "held out": HeldOut(images, "train", share=0.2),
        "stratified": StratifiedSubset(images, 0.3),
        "shuffled": ImageSubset(images, shuffled),
        "of a subset": ImageSubset(HeldOut(images, "train"), torch.arange(20).flip(0)),
    }


def most_at_a_time(shards):
    """The most shards that are between their first and last image at any place."""
    last = {shard: place for place, shard in enumerate(shards)}
    first = {shard: len(shards) - place for place, shard in enumerate(shards[::-1], 1)}
    return max(
        sum(first[shard] <= place <= last[shard] for shard in last) for place in range(len(shards))
    )


def test_subsets_are_ordered_by_shards_too(stored):
    for subset in some_of(stored).values():
        order = subset.epoch_order(5)
        assert isinstance(order, EpochOrder)
        assert sorted(order.rows.tolist()) == list(range(len(subset)))
        greys = torch.stack([subset.read(row)[0, 0, 0] for row in order.rows.tolist()])
        shards = greys.long() // PER_SHARD
        for lane in range(2):
            assert most_at_a_time(shards[lane::2].tolist()) <= 2
        batches = list(loader(subset))
        assert sorted(flat(orders(batches))) == list(range(len(subset)))


def test_images_in_order_are_read_shard_by_shard(stored):
    images = stored.open(room=4, window=2, lanes=1, ahead=1)
    assert orders(list(loader(images, shuffle=False)))[0] == list(range(6))
    assert sorted(stored.copied()) == images.shards


def test_a_data_set_of_other_images_orders_them_itself(stored):
    class Half(ViewDataset):
        def __len__(self):
            return COUNT // 2

    views = Half(stored.open(), [view_policy("moco_v2", 8)])
    sampler = EpochSampler(views, 4, seed=0, shuffle=True)
    with pytest.raises(ValueError, match=r"its 30 images itself .*Half.epoch_order gives 60"):
        next(iter(sampler))


# Read ahead


def test_at_most_so_many_parts_are_fetched_before_their_turn():
    fetched, batches = [], [[0, 1, 2], [2, 3], [3], [4, 5], [6], [7]]
    for ahead, expected in ((0, [3, 4, 4, 6]), (1, [4, 5, 5, 7]), (3, [6, 6, 6, 8])):
        fetched.clear()
        looked = threading.Semaphore(0)

        def fetch(part, looked=looked):
            fetched.append(part)
            looked.release()

        reading = ReadAhead(iter(batches), fetch, ahead)
        count = ahead
        for number in expected:
            reading.step()
            while count < number:
                assert looked.acquire(timeout=60)
                count += 1
        reading.close(wait=True)
        assert sorted(fetched) == sorted(set(fetched))


def test_what_fails_is_left_to_the_reader():
    def fail(part):
        raise OSError("no answer")

    reading = ReadAhead(iter([[1], [2]]), fail, 2)
    reading.step()
    reading.close(wait=True)
