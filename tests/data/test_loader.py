"""The order of the batches, and that a loader can stop anywhere and go on."""

import gc

import pytest
import torch
from pytorch_lightning import Trainer

from instdisc.data import ImagesInMemory, Scenes, ViewDataset, ViewLoader, sampling, view_policy
from instdisc.data import loader as loader_file
from instdisc.methods import MoCoModule
from instdisc.models import Backbone
from instdisc.types import Views


def views(count: int = 22, seed: int = 0, policy: str = "moco_v2") -> ViewDataset:
    return ViewDataset(Scenes(count, image_size=32), [view_policy(policy, 16)] * 2, seed=seed)


def epoch(loader, number=0):
    loader.sampler.set_epoch(number)
    return list(loader)


def indices(batches):
    return [batch.indices.tolist() for batch in batches]


def images_of(batches):
    return torch.cat([batch.indices for batch in batches]).tolist()


def assert_same(found, expected):
    assert indices(found) == indices(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.labels, theirs.labels)
        for view, other in zip(ours.images, theirs.images, strict=True):
            assert torch.equal(view, other)


def test_batches_are_views_of_the_images_they_name():
    data = views()
    for batch in epoch(ViewLoader(data, 4), 3):
        expected = data.batch([(3, index) for index in batch.indices.tolist()])
        assert torch.equal(batch.labels, data.images.labels[batch.indices])
        for view, raw, numbers in zip(batch.images, *expected[:2], strict=True):
            torch.testing.assert_close(view, data.policies[0].finish(raw, numbers))


def test_each_image_comes_once_per_epoch():
    batches = epoch(ViewLoader(views(), 4, drop_last=False))
    assert sorted(images_of(batches)) == list(range(22))
    assert [len(batch.labels) for batch in batches] == [4, 4, 4, 4, 4, 2]


def test_drop_last_leaves_out_the_smaller_batch():
    loader = ViewLoader(views(), 4)
    assert len(loader) == 5
    assert [len(batch) for batch in indices(epoch(loader))] == [4] * 5
    assert len(ViewLoader(views(), 4, drop_last=False)) == 6


def test_without_shuffle_the_order_is_that_of_the_images():
    batches = epoch(ViewLoader(views(), 4, shuffle=False, drop_last=False), 2)
    assert images_of(batches) == list(range(22))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("num_workers", [1, 4])
def test_order_and_views_do_not_depend_on_the_workers(num_workers):
    alone, crowd = ViewLoader(views(), 4), ViewLoader(views(), 4, num_workers=num_workers)
    for number in (0, 1):
        assert_same(epoch(crowd, number), epoch(alone, number))


def test_epochs_and_seeds_differ_and_return():
    loader = ViewLoader(views(), 4)
    first, second, again = (epoch(loader, number) for number in (0, 1, 0))
    assert_same(again, first)
    other = epoch(ViewLoader(views(seed=1), 4))
    assert len({str(indices(batches)) for batches in (first, second, other)}) == 3


def test_seed_one_is_not_seed_zero_an_epoch_later():
    later, other = epoch(ViewLoader(views(), 4), 1), epoch(ViewLoader(views(seed=1), 4))
    assert indices(later) != indices(other)


def test_epoch_that_is_set_after_iter_counts():
    loader = ViewLoader(views(), 4)
    iterator = iter(loader)
    loader.sampler.set_epoch(5)
    assert_same(list(iterator), epoch(ViewLoader(views(), 4), 5))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_restored_loader_goes_on_with_the_next_batch(num_workers):
    loader = ViewLoader(views(), 4, num_workers=num_workers)
    whole = epoch(loader, 3)
    loader.sampler.set_epoch(3)
    iterator = iter(loader)
    before = [next(iterator), next(iterator)]
    state = loader.state_dict()
    assert state == {"epoch": 3, "images": 8}
    fresh = ViewLoader(views(), 4, num_workers=num_workers)
    fresh.load_state_dict(state)
    assert fresh.state_dict() == state
    assert_same(before + list(fresh), whole)
    assert fresh.state_dict() == {"epoch": 3, "images": 20}
    assert_same(epoch(fresh, 4), epoch(ViewLoader(views(), 4), 4))  # and is whole again


def test_a_finished_epoch_is_not_repeated_in_part():
    loader = ViewLoader(views(), 4)
    epoch(loader, 1)
    fresh = ViewLoader(views(), 4)
    fresh.load_state_dict(loader.state_dict())
    assert_same(epoch(fresh, 2), epoch(loader, 2))


def test_a_restored_epoch_that_is_broken_off_leaves_the_next_whole():
    loader = ViewLoader(views(), 4)
    loader.load_state_dict({"epoch": 0, "images": 8})
    next(iter(loader))
    assert len(epoch(loader, 1)) == 5


def be_process(monkeypatch, rank, world):
    for file in (loader_file, sampling):
        monkeypatch.setattr(file, "world_size", lambda: world)
    monkeypatch.setattr(sampling, "rank", lambda: rank)


@pytest.mark.parametrize("shuffle", [True, False])
def test_two_processes_have_their_blocks_of_the_global_batches_of_one(monkeypatch, shuffle):
    one = epoch(ViewLoader(views(), 8, shuffle=shuffle), 2)
    shares = []
    for process in (0, 1):
        be_process(monkeypatch, process, 2)
        loader = ViewLoader(views(), 4, shuffle=shuffle)
        assert len(loader) == 2
        shares.append(epoch(loader, 2))
    for whole, first, second in zip(one, *shares, strict=True):
        rows = torch.arange(8) if shuffle else torch.arange(8).view(4, 2).T.flatten()
        assert torch.equal(torch.cat([first.indices, second.indices]), whole.indices[rows])
        for view in range(2):
            parts = torch.cat([first.images[view], second.images[view]])
            assert torch.equal(parts, whole.images[view][rows])


def test_processes_train_on_equal_shares_and_test_on_every_image(monkeypatch):
    trained, tested = [], []
    for process in range(3):
        be_process(monkeypatch, process, 3)
        train = ViewLoader(views(), 2, drop_last=False)
        trained.append(images_of(epoch(train)))
        assert len(train) == len(epoch(train))
        test = ViewLoader(views(), 2, shuffle=False, drop_last=False)
        assert len(test) == len(epoch(test))
        tested += images_of(epoch(test))
    assert [len(share) for share in trained] == [7, 7, 7]
    assert len(set().union(*trained)) == 21
    assert sorted(tested) == list(range(22))


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(("size", "world"), [(3, 1), (5, 1), (2, 2), (1, 3)])
def test_an_epoch_goes_on_in_batches_of_another_size_and_on_other_processes(
    monkeypatch, num_workers, size, world
):
    loader = ViewLoader(views(), 4)
    iterator = iter(loader)
    before = images_of([next(iterator), next(iterator)])
    order = images_of(epoch(ViewLoader(views(), 4, drop_last=False)))
    after = []
    for process in range(world):
        be_process(monkeypatch, process, world)
        rest = ViewLoader(views(), size, num_workers=num_workers if process == 0 else 0)
        rest.load_state_dict(loader.state_dict())
        after.append(list(rest))
        num_left = (22 - 8) // (size * world)
        assert rest.state_dict() == {"epoch": 0, "images": 8 + num_left * size * world}
    assert before == order[:8]
    for number, batches in enumerate(zip(*after, strict=True)):
        start = 8 + number * size * world
        assert images_of(batches) == order[start : start + size * world]
    assert len(after[0]) == num_left


def test_a_state_that_counts_batches_is_read():
    loader = ViewLoader(views(), 4)
    loader.load_state_dict({"epoch": 0, "batches": 2})  # of release 0.1.0
    assert loader.state_dict() == {"epoch": 0, "images": 8}
    loader.load_state_dict({"epoch": 0, "batches": 5})
    assert len(list(loader)) == 5  # that one was finished


def test_raw_batches_wait_for_the_device():
    raw = next(iter(ViewLoader(views(), 4, raw=True)))
    assert raw.views[0].dtype == torch.uint8
    assert [len(numbers[0]) for numbers in raw.numbers] == [7, 7]


def test_a_loader_trains_a_module_without_a_datamodule():
    module = MoCoModule(Backbone("test_resnet"), queue_size=16, batch_norm_groups=2)
    trainer = Trainer(
        max_epochs=2,
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = ViewLoader(views(), 8)
    before = module.backbone.net.conv1[0].weight.detach().clone()
    with pytest.warns(UserWarning, match="no `val_dataloader`. Skipping"):
        trainer.fit(module, loader)
    assert trainer.global_step == 4
    assert loader.sampler.epoch == 1
    assert not torch.equal(module.backbone.net.conv1[0].weight, before)


@pytest.mark.parametrize(
    ("batch_size", "message"),
    [
        (0, "`batch_size` must be a whole number of at least 1, got 0"),
        (23, "`batch_size`=23 exceeds the 22 images of this process"),
    ],
)
def test_bad_batch_size(batch_size, message):
    with pytest.raises(ValueError, match=message):
        ViewLoader(views(), batch_size)


def test_uncut_views_are_for_someone_who_cuts_them():
    images = ImagesInMemory(Scenes(8, image_size=32))
    uncut = ViewDataset(images, [view_policy("zhao_fr", 16)], cut=False)
    assert next(iter(ViewLoader(uncut, 4, raw=True))).boxes[0].shape == (4, 6)
    with pytest.raises(ValueError, match="`raw` must be True, or `finish` set, for a"):
        ViewLoader(uncut, 4)


def test_views_that_are_finished_by_nothing_outlive_the_memory_that_workers_share():
    views = ViewDataset(Scenes(40, image_size=32), [view_policy("moco_v2", 16)] * 2)

    def as_they_come(raw):
        return Views(raw.views, raw.labels, raw.indices)

    loader = ViewLoader(views, 3, num_workers=1, finish=as_they_come)
    kept, copies = [], []
    for batch in loader:
        kept += batch.images
        copies += [image.clone() for image in batch.images]
    assert len(kept) == 2 * 13
    assert all(torch.equal(image, copy) for image, copy in zip(kept, copies, strict=True))


@pytest.mark.parametrize("shuffle", [True, False])
def test_workers_end_with_their_loader(shuffle):
    dataset = ViewDataset(Scenes(8, image_size=32), [view_policy("zhao_fr", 32)] * 2)
    loader = ViewLoader(dataset, 2, shuffle=shuffle, num_workers=2)
    batches = iter(loader)
    next(batches)
    workers = list(loader._pieces._loader._iterator._workers)
    assert all(worker.is_alive() for worker in workers)
    gc.disable()  # nothing is left to the garbage collector
    try:
        del loader, batches
        for worker in workers:
            worker.join(10)
        assert not any(worker.is_alive() for worker in workers)
    finally:
        gc.enable()
