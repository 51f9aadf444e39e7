"""Batches on their way to a device, one ahead."""

import pytest
import torch

from instdisc.data import Scenes, ViewDataset, ViewFinisher, ViewLoader, view_policy
from instdisc.data.batches import delivery as delivery_file
from instdisc.data.batches.delivery import Delivery, prefetch
from instdisc.types import Views


@pytest.fixture
def _ahead(monkeypatch):
    """The CPU in the place of a device that works beside the host."""
    monkeypatch.setattr(delivery_file, "_works_beside", lambda device: True)


def dataset(count=22):
    return ViewDataset(Scenes(count, image_size=32), [view_policy("moco_v2", 16)] * 2)


def asked(items, log):
    for item in items:
        log.append(item)
        if isinstance(item, Exception):
            raise item
        yield item


def test_each_is_asked_for_before_the_one_before_it_is_handed_out():
    log = []
    ahead = prefetch(asked("abc", log))
    assert log == []
    assert next(ahead) == "a"
    assert log == ["a", "b"]
    assert list(ahead) == ["b", "c"]
    assert list(prefetch(iter([]))) == []
    assert list(prefetch(iter([1]))) == [1]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_raised_comes_in_its_place(place):
    items = list("abc")
    items[place] = ValueError("broken")
    ahead = prefetch(asked(items, []))
    assert [next(ahead) for _ in range(place)] == list("abc"[:place])
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_breaking_off_closes_what_makes_the_batches():
    closed = []

    def batches():
        try:
            yield from range(9)
        finally:
            closed.append(True)

    ahead = prefetch(batches())
    next(ahead)
    del ahead
    assert closed == [True]


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.usefixtures("_ahead")
def test_a_loader_that_is_ahead_counts_what_it_hands_out(num_workers):
    data = dataset()
    loader = ViewLoader(data, 4, num_workers=num_workers)
    whole = list(loader)
    loader.sampler.set_epoch(1)
    whole += list(loader)
    loader.sampler.set_epoch(0)
    iterator = iter(loader)
    before = [next(iterator) for _ in range(3)]
    state = loader.state_dict()
    assert state == {"epoch": 0, "images": 12}
    del iterator
    fresh = ViewLoader(data, 4, num_workers=num_workers)
    fresh.load_state_dict(state)
    rest = list(fresh)
    assert fresh.state_dict() == {"epoch": 0, "images": 20}
    fresh.sampler.set_epoch(1)
    for ours, expected in zip([*before, *rest, *fresh], whole, strict=True):
        assert torch.equal(ours.indices, expected.indices)
        for view, other in zip(ours.images, expected.images, strict=True):
            assert torch.equal(view, other)


@pytest.mark.usefixtures("_ahead")
def test_two_iterators_at_once():
    loader = ViewLoader(dataset(), 4)
    for first, second in zip(loader, loader, strict=True):
        assert torch.equal(first.indices, second.indices)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_what_finishes_gets_raw_batches(num_workers):
    data, shapes = dataset(), []

    def finish(raw):
        shapes.append([view.shape[0] for view in raw.views])
        return Views([raw.views[0].float()], raw.labels, raw.indices)

    loader = ViewLoader(data, 8, drop_last=False, num_workers=num_workers, finish=finish)
    batches = list(loader)
    assert shapes == [[8, 8], [8, 8], [6, 6]]
    assert sorted(torch.cat([batch.indices for batch in batches]).tolist()) == list(range(22))


def test_views_are_those_of_the_finisher():
    data = dataset()
    raw = data.batch([(0, 3), (0, 8)])
    finish = ViewFinisher(data.policies)
    (views,) = Delivery(torch.device("cpu"), finish)(iter([raw]))
    for ours, expected in zip(views.images, finish(raw).images, strict=True):
        assert torch.equal(ours, expected)


@pytest.mark.parametrize("options", [{"finish": list}, {"device": "cuda"}])
def test_raw_batches_are_finished_by_nobody(options, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="`raw` batches are handed out as they are"):
        ViewLoader(dataset(), 4, raw=True, **options)
