"""Batches in memory that processes share."""

import pickle
from multiprocessing import get_context
from multiprocessing.reduction import ForkingPickler

import pytest
import torch

from instdisc.data import ImagesInMemory, Scenes, ViewDataset, view_policy
from instdisc.data.batches.blocks import BatchForm
from instdisc.data.batches.slots import SharedSlots

SETS = {
    "two views": ([view_policy("moco_v2", 16)] * 2, True),
    "views of two sizes": ([view_policy("moco_v2", 24), view_policy("moco_v3_second", 9)], True),
    "no numbers": ([view_policy("zhao_fr", 15)], True),
    "uncut": ([view_policy("moco_v2", 16)] * 2, False),
}


def dataset(policies, cut):
    return ViewDataset(ImagesInMemory(Scenes(12, image_size=32)), policies, cut=cut)


def tensors(batch):
    return [*batch[0], *batch[1], batch.labels, batch.indices]


@pytest.mark.parametrize("name", SETS)
def test_a_batch_written_in_parts_is_read_whole(name):
    data = dataset(*SETS[name])
    keys = [(2, index) for index in (7, 1, 4, 9, 0)]
    form = BatchForm(data, 6)
    block = torch.full((form.num_bytes,), 77, dtype=torch.uint8)
    form.make(block, 3, keys[3:])
    form.make(block, 0, keys[:3])
    whole, read = data.batch(keys), form.read(block, 5)
    assert type(read) is type(whole)
    for ours, expected in zip(tensors(read), tensors(whole), strict=True):
        assert ours.dtype == expected.dtype
        torch.testing.assert_close(ours, expected, rtol=0, atol=1 if name == "no numbers" else 0)
    assert form.num_bytes < sum(each.nbytes for each in tensors(whole)) * 6 / 5 + 256 * len(
        tensors(whole)
    )


def test_views_are_read_pixel_by_pixel_without_a_copy():
    form = BatchForm(dataset(*SETS["two views"]), 6)
    block = torch.zeros(form.num_bytes, dtype=torch.uint8)
    view = form.read(block, 6).views[1]
    assert view.is_contiguous(memory_format=torch.channels_last)
    block.fill_(3)
    assert bool((view == 3).all())


def test_slots_lie_apart():
    slots = SharedSlots(3, 512)
    for slot in range(3):
        slots[slot].fill_(slot)
    assert [int(slots[slot].sum()) for slot in range(3)] == [0, 512, 1024]


def fill(slots):
    slots[1].fill_(5)


def test_another_process_writes_into_them():
    slots = SharedSlots(2, 256)
    process = get_context("fork").Process(target=fill, args=(slots,))
    process.start()
    process.join()
    assert int(slots[1].sum()) == 5 * 256
    assert not slots[0].any()


def test_they_reach_a_process_that_inherits_nothing():
    slots = SharedSlots(2, 256)
    other = pickle.loads(ForkingPickler.dumps(slots))
    other[1].fill_(9)
    assert int(slots[1].sum()) == 9 * 256
    del slots
    assert int(other[1].sum()) == 9 * 256
