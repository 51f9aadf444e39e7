"""Batches that workers put together piece by piece."""

import gc
import time
import weakref

import pytest
import torch

from instdisc.data import Scenes, ViewDataset, view_policy
from instdisc.data.batches import pieces as pieces_file
from instdisc.data.batches.blocks import BatchForm
from instdisc.data.batches.pieces import PieceLoader

CPU = torch.device("cpu")


class Fragile(Scenes):
    """Scenes of which one cannot be read."""

    broken = 13

    def read(self, index):
        if index == self.broken:
            raise ValueError(f"cannot read {index}")
        time.sleep(0.01 * (index % 3))  # so that pieces do not come in the order of the batches
        return super().read(index)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(pieces_file, "_PIECE", 2 * 2 * 3 * 16 * 16)  # two images


def dataset(images=None):
    return ViewDataset(images or Scenes(22, image_size=32), [view_policy("moco_v2", 16)] * 2)


def keys_of(epoch, first, size=5, count=22):
    keys = [(epoch, (index * 7 + epoch) % count) for index in range(count)]
    return [keys[start : start + size] for start in range(first * size, count, size)]


def starts(first, end):
    """At which image each batch from one to before another begins."""
    return range(5 * first, 5 * end, 5)


def pieces(data, num_workers=2, goes_on=True, **options):
    return PieceLoader(
        BatchForm(data, 5),
        num_workers=num_workers,
        batches=lambda epoch, start: iter(keys_of(epoch, start // 5)),
        goes_on=goes_on,
        generator=torch.Generator(),
        **options,
    )


def assert_batches(loader, data, epoch, first=0, end=5):
    for batch, keys in zip(
        loader.run(epoch, starts(first, end)), keys_of(epoch, first), strict=True
    ):
        ours, expected = batch.bring(CPU), data.batch(keys)
        assert torch.equal(ours.indices, expected.indices)
        assert torch.equal(ours.labels, expected.labels)
        for view, other in zip(ours.views, expected.views, strict=True):
            assert torch.equal(view, other)
        for numbers, other in zip(ours.numbers, expected.numbers, strict=True):
            assert torch.equal(numbers, other)


@pytest.mark.parametrize(("num_workers", "goes_on"), [(1, True), (2, True), (2, False)])
def test_every_batch_is_what_the_data_set_makes(num_workers, goes_on, monkeypatch):
    started = []
    begin = PieceLoader._begin

    def count(self, epoch, number):
        started.append((epoch, number))
        begin(self, epoch, number)

    monkeypatch.setattr(PieceLoader, "_begin", count)
    data = dataset()
    loader = pieces(data, num_workers, goes_on)
    for epoch in (0, 1, 2):  # the last batch of each is smaller
        assert_batches(loader, data, epoch)
    assert started == ([(0, 0)] if goes_on else [(0, 0), (1, 0), (2, 0)])


def test_it_goes_on_from_any_batch_and_after_being_broken_off():
    data = dataset()
    loader = pieces(data)
    assert_batches(loader, data, 3, first=2)
    running = loader.run(4, starts(0, 5))
    next(running)
    running.close()
    assert_batches(loader, data, 4, first=1)  # nothing was lost
    next(loader.run(5, starts(0, 5)))
    assert_batches(loader, data, 9)
    assert_batches(loader, data, 0)


def test_what_fails_comes_after_the_batches_before_it():
    data = dataset(Fragile(22, image_size=32))
    failing = next(i for i, keys in enumerate(keys_of(0, 0)) if (0, Fragile.broken) in keys)
    loader = pieces(data)
    batches = loader.run(0, starts(0, 5))
    assert failing > 0
    for keys in keys_of(0, 0)[:failing]:
        assert next(batches).bring(CPU).indices.tolist() == [index for _, index in keys]
    with pytest.raises(ValueError, match="cannot read 13"):
        next(batches)
    after = loader.run(0, starts(failing + 1, 5))
    assert next(after).bring(CPU).indices.tolist() == [i for _, i in keys_of(0, failing + 1)[0]]


class Late(Scenes):
    """Scenes of which one takes as long as many others."""

    def read(self, index):
        time.sleep(0.2 * (index == 4))
        return super().read(index)


def test_a_piece_that_comes_late_holds_up_its_batch_alone():
    data = dataset(Late(22, image_size=32))
    loader = pieces(data, 3)
    for epoch in range(3):
        assert_batches(loader, data, epoch)
    assert loader._orders.num_released >= 13


class Copy:
    """Stands for the event of a copy that lasts as long as it may."""

    def __init__(self, batch):
        self.raw = batch.bring(CPU)
        self.views = [view.clone() for view in self.raw.views]
        self.waited = False

    def synchronize(self):
        time.sleep(0.05)  # the workers go on meanwhile
        for view, before in zip(self.raw.views, self.views, strict=True):
            assert torch.equal(view, before)
        self.waited = True


@pytest.mark.parametrize(("kind", "count"), [(Fragile, 12), (Late, 60)])
def test_a_slot_is_not_used_again_while_it_is_copied_from(kind, count):
    loader = pieces(dataset(kind(count, image_size=32)), 3)
    loader._orders.batches = lambda epoch, start: iter(keys_of(epoch, start // 5, count=count))
    copies = []
    for epoch in range(24 // -(-count // 5)):
        for batch in loader.run(epoch, starts(0, -(-count // 5))):
            batch.copied = Copy(batch)
            copies.append(batch.copied)
    waited = [copy.waited for copy in copies]
    assert waited == [True] * 22 + [False] * 2
    next(loader.run(0, starts(0, 3)))  # from the start: waits for both
    assert all(copy.waited for copy in copies)


def test_labels_and_indices_outlive_the_slot():
    loader = pieces(dataset())
    batches = [batch.bring(CPU) for epoch in range(4) for batch in loader.run(epoch, starts(0, 5))]
    expected = [keys for epoch in range(4) for keys in keys_of(epoch, 0)]
    for batch, keys in zip(batches, expected, strict=True):
        assert batch.indices.tolist() == [index for _, index in keys]


class Nameless(Scenes):
    """Scenes of which one raises what no other process can make."""

    def read(self, index):
        class HiddenError(Exception):
            pass

        if index == 13:
            raise HiddenError("cannot read 13")
        return super().read(index)


def test_an_error_of_a_class_that_no_other_process_knows_is_raised():
    loader = pieces(dataset(Nameless(22, image_size=32)))
    with pytest.raises(RuntimeError, match=r"(?s)Caught RuntimeError .*HiddenError: cannot read"):
        list(loader.run(0, starts(0, 5)))


def test_workers_end_at_once_after_an_error_that_holds_the_loader(monkeypatch):
    # What torch waits for each worker that does not listen: more than any load of the machine.
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 100.0)

    def fail():
        loader = pieces(dataset(Fragile(22, image_size=32)))
        with pytest.raises(ValueError, match="cannot read 13"):
            list(loader.run(0, starts(0, 5)))
        return weakref.ref(loader), set(loader._loader._iterator._workers)

    gc.collect()
    loader, workers = fail()
    begin = time.monotonic()
    gc.collect()
    assert loader() is None
    assert time.monotonic() - begin < 50
    assert not any(worker.is_alive() for worker in workers)
