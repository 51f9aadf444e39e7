"""Batches of images with objects: what is in them, their order, and that they can be resumed."""

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from instdisc.data import (
    ObjectData,
    ObjectDataset,
    ObjectLoader,
    ObjectPolicy,
    ObjectSource,
    ObjectSubset,
    SceneObjects,
    Scenes,
    VOCObjects,
    sampling,
)
from instdisc.data import loader as view_loader_file
from instdisc.data.objects import loader as loader_file
from instdisc.types import ObjectBatch, Objects

POLICY = ObjectPolicy([32, 48, 64])


class Shapes(ObjectSource):
    """Images of many shapes, each with one box around it, its number as the colour."""

    def __init__(self, count=9, empty=()):
        self.name, self.classes, self.category_ids, self.masks = "shapes", ["all"], [1], True
        self.labels = torch.full((count,), -1)
        self.image_ids = list(range(count))
        self.sizes = torch.tensor([[20 + 3 * i, 60 - 2 * i] for i in range(count)])
        self.has_objects = torch.tensor([i not in empty for i in range(count)])

    def read(self, index):
        return torch.full((3, *self.sizes[index].tolist()), index + 1, dtype=torch.uint8)

    def objects(self, index):
        height, width = self.sizes[index].tolist()
        number = int(self.has_objects[index])
        flags = torch.zeros(number, dtype=torch.bool)
        box = torch.tensor([[0.0, 0.0, width, height]])[:number]
        masks = torch.ones(number, height, width, dtype=torch.bool)
        return Objects(box, flags.long(), masks, flags, flags)


def loader(source=None, batch_size=2, iterations=6, policy=POLICY, **options):
    data = ObjectDataset(Shapes() if source is None else source, policy)
    return ObjectLoader(data, batch_size, iterations=iterations, **options)


def indices(batches):
    return [batch.indices.tolist() for batch in batches]


def assert_same(found, expected):
    assert indices(found) == indices(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.images, theirs.images)
        for one, other in zip(ours.objects, theirs.objects, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_images_are_padded_right_and_below():
    for batch in loader():
        assert isinstance(batch, ObjectBatch)
        assert batch.images.dtype == torch.uint8
        _, _, tall, wide = batch.images.shape
        assert tall % 32 == wide % 32 == 0
        assert tall - 32 < batch.sizes[:, 0].max() <= tall
        assert wide - 32 < batch.sizes[:, 1].max() <= wide
        for row, (height, width) in enumerate(batch.sizes.tolist()):
            image, found = batch.images[row], batch.objects[row]
            assert (image[:, :height, :width] == batch.indices[row] + 1).all()
            assert image[:, height:].sum() == image[:, :, width:].sum() == 0
            torch.testing.assert_close(found.boxes, torch.tensor([[0.0, 0, width, height]]))
            assert found.masks.shape == (1, tall, wide)
            assert found.masks.sum() == found.masks[0, :height, :width].sum() == height * width
        assert batch.original_sizes.tolist() == Shapes().sizes[batch.indices].tolist()


def test_images_without_objects_are_part_of_a_batch():
    (batch,) = loader(Shapes(2, empty=(1,)), iterations=1)
    counts = {
        int(i): len(found.boxes) for i, found in zip(batch.indices, batch.objects, strict=True)
    }
    assert counts == {0: 1, 1: 0}
    empty = batch.objects[batch.indices.tolist().index(1)]
    assert empty.masks.shape == (0, *batch.images.shape[2:])
    nothing = next(iter(loader(Shapes(2, empty=(0, 1)), iterations=1)))
    assert [len(found.boxes) for found in nothing.objects] == [0, 0]


def test_each_pass_holds_each_image_once_and_batches_are_full():
    batches = list(loader(Shapes(9), 2, 18))
    assert len(batches) == len(loader(Shapes(9), 2, 18)) == 18
    flat = [index for batch in indices(batches) for index in batch]
    assert torch.tensor(flat).bincount().tolist() == [4] * 9
    first = sorted(index for batch in indices(batches)[:4] for index in batch)
    assert len(set(first)) == 8


def test_the_order_within_a_pass_is_the_same_for_other_batch_sizes():
    # Steps of 6 and of 2 images: the first six images are the same set.
    large, small = list(loader(batch_size=6, iterations=1)), list(loader(iterations=3))
    assert sorted(indices(large)[0]) == sorted(i for batch in indices(small) for i in batch)


def test_epochs_and_seeds_give_other_orders():
    def all_indices(seed, number):
        data = ObjectDataset(Shapes(), POLICY, seed=seed)
        own = ObjectLoader(data, 3, iterations=3)
        own.sampler.set_epoch(number)
        return str(indices(own))

    assert len({all_indices(0, 0), all_indices(0, 1), all_indices(1, 0)}) == 3
    assert all_indices(1, 1) == all_indices(1, 1)


def test_a_second_epoch_goes_on_where_the_first_ended():
    whole = list(loader(iterations=8))
    half = loader(iterations=4)
    parts = list(half)
    half.sampler.set_epoch(1)
    assert_same(parts + list(half), whole)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes")
def test_batches_do_not_depend_on_the_workers():
    assert_same(list(loader(num_workers=2)), list(loader()))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_restored_loader_goes_on_with_the_next_step(num_workers):
    whole = list(loader())
    stopped = loader(num_workers=num_workers)
    iterator = iter(stopped)
    before = [next(iterator), next(iterator)]
    state = stopped.state_dict()
    assert state == {"epoch": 0, "images": 4, "before": 0}
    fresh = loader(num_workers=num_workers)
    fresh.load_state_dict(state)
    assert_same(before + list(fresh), whole)
    assert fresh.state_dict() == {"epoch": 0, "images": 12, "before": 0}


def be_process(monkeypatch, rank, world):
    for file in (loader_file, view_loader_file, sampling):
        monkeypatch.setattr(file, "world_size", lambda: world)
    for file in (loader_file, sampling):
        monkeypatch.setattr(file, "rank", lambda: rank)


@pytest.mark.parametrize("per_batch", [False, True])
def test_two_processes_share_the_steps_of_one(monkeypatch, per_batch):
    policy = ObjectPolicy([32, 48, 64], per_batch=per_batch)
    one = list(loader(batch_size=4, iterations=4, policy=policy))
    shares = []
    for process in (0, 1):
        be_process(monkeypatch, process, 2)
        shares.append(list(loader(batch_size=2, iterations=4, policy=policy)))
    for whole, first, second in zip(one, *shares, strict=True):
        assert first.indices.tolist() + second.indices.tolist() == whole.indices.tolist()
        assert torch.equal(torch.cat([first.sizes, second.sizes]), whole.sizes)


@pytest.mark.parametrize(("size", "world"), [(1, 1), (3, 1), (5, 1), (2, 2)])
def test_passes_go_on_in_steps_of_another_size(monkeypatch, size, world):
    def images(batches):
        return [index for batch in indices(batches) for index in batch]

    whole = images(loader(batch_size=1, iterations=72))
    stopped = loader(batch_size=2, iterations=6)
    list(stopped)
    stopped.sampler.set_epoch(1)
    iterator = iter(stopped)
    before = images([next(iterator), next(iterator)])
    assert sorted(before) == sorted(whole[12:16])
    state = stopped.state_dict()
    shares = []
    for process in range(world):
        be_process(monkeypatch, process, world)
        rest = loader(batch_size=size, iterations=6)
        rest.load_state_dict(state)
        shares.append(list(rest))
        rest.sampler.set_epoch(2)
        shares[-1] += list(rest)
    group = size * world
    first = max(0, 6 * group - 4) // group  # steps that are left of the epoch
    assert len(shares[0]) == first + 6
    for number, batches in enumerate(zip(*shares, strict=True)):
        places = whole[16 + number * group : 16 + (number + 1) * group]
        assert sorted(images(batches)) == sorted(places)


def test_processes_test_each_image_once(monkeypatch):
    tested = []
    for process in (0, 1):
        be_process(monkeypatch, process, 2)
        own = loader(iterations=None)
        assert len(own) == len(list(own))
        tested += [index for batch in indices(own) for index in batch]
    assert sorted(tested) == list(range(9))


def test_images_of_a_batch_share_a_short_side_by_choice():
    source = SceneObjects(Scenes(40, image_size=48))
    alone = list(loader(source, 4, 10))
    together = list(loader(source, 4, 10, policy=ObjectPolicy([32, 48, 64], per_batch=True)))
    assert {len(set(batch.sizes[:, 0].tolist())) for batch in together} == {1}
    assert len({int(batch.sizes[0, 0]) for batch in together}) == 3
    assert max(len(set(batch.sizes[:, 0].tolist())) for batch in alone) > 1


def test_numbers_come_from_seed_epoch_and_image_alone():
    data = ObjectDataset(SceneObjects(Scenes(6, image_size=48)), POLICY)
    pair, alone = data.batch([(2, 5, 0), (2, 1, 0)]), data.batch([(2, 1, 0)])
    height, width = alone.sizes[0].tolist()
    assert torch.equal(pair.images[1, :, :height, :width], alone.images[0, :, :height, :width])
    assert torch.equal(pair.objects[1].boxes, alone.objects[0].boxes)


def test_masks_of_another_size_than_their_image_are_refused():
    class Wrong(Shapes):
        def objects(self, index):
            found = super().objects(index)
            return found._replace(masks=found.masks[:, 1:])

    with pytest.raises(
        ValueError, match=r"masks of image 3 of 'shapes' are \(28, 54\) .* \(29, 54"
    ):
        ObjectDataset(Wrong(), POLICY).batch([(0, 3, 0)])


def test_an_unreadable_image_is_replaced_with_its_objects(write_voc):
    things = {"a": [("cat", 1, 1, 9, 9, 0)], "b": [("cat", 11, 11, 20, 20, 0)]}
    root = write_voc(things, {})
    (root / "JPEGImages" / "a.jpg").write_bytes(b"nothing")
    skipping = VOCObjects(root, None, on_unreadable="skip")
    batch = ObjectDataset(skipping, ObjectPolicy([30], flip=0)).batch([(0, 0, 0)])
    assert batch.indices.tolist() == [1]
    assert batch.objects[0].boxes.tolist() == [[10, 10, 20, 20]]
    with pytest.raises(ValueError, match="cannot read the image .*a.jpg"):
        ObjectDataset(VOCObjects(root, None), POLICY).batch([(0, 0, 0)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: loader(batch_size=0), "`batch_size` must be a whole number of at least 1, got 0"),
        (lambda: loader(iterations=0), "`iterations` must be a whole number of at least 1, got 0"),
        (lambda: ObjectDataset(Shapes(), POLICY, seed=-1), "`seed` must be a whole"),
        (lambda: ObjectDataset(Shapes(), POLICY, multiple=0), "`multiple` must be a whole"),
        (lambda: ObjectData(Shapes()), "`test` must be given where `train` is a source"),
        (lambda: ObjectData(Shapes(), Shapes(), iterations=0), "`iterations` must be a whole"),
        (lambda: ObjectData("scenes", Shapes()), "`test` must have the classes of `train`"),
        (
            lambda: ObjectData(Shapes(1, empty=(0,)), Shapes(), skip_empty=True),
            "`skip_empty` leaves no image of 'shapes'",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_data_by_name_and_by_source():
    data = ObjectData("scenes", policy=ObjectPolicy([48]), batch_size=3, iterations=2)
    assert (len(data.train), len(data.test), data.num_classes) == (400, 100, 10)
    assert [len(batch.images) for batch in data.train_dataloader()] == [3, 3]
    mixed = ObjectData(SceneObjects(Scenes(4, image_size=32)), "scenes")
    assert len(mixed.val_dataloader()) == len(mixed.predict_dataloader()) == 100


def test_test_batches_hold_everything_at_one_size():
    data = ObjectData(Shapes(), Shapes(), policy=ObjectPolicy([32, 48], 60), test_batch_size=2)
    batches = list(data.test_dataloader())
    assert [index for batch in indices(batches) for index in batch] == list(range(9))
    assert all(max(size) == 60 or min(size) == 48 for b in batches for size in b.sizes.tolist())


def test_images_without_objects_are_skipped_by_choice():
    data = ObjectData(Shapes(5, empty=(1, 3)), Shapes(), skip_empty=True)
    assert isinstance(data.train, ObjectSubset)
    assert data.train.image_ids == [0, 2, 4]
    assert len(ObjectData(Shapes(5, empty=(1,)), Shapes()).train) == 5


class Watcher(LightningModule):
    """Learns nothing and remembers which images came."""

    def __init__(self, checkpoint=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen, self.checkpoint = [], checkpoint

    def training_step(self, batch, _):
        assert isinstance(batch, ObjectBatch)
        self.seen.append((batch.indices.tolist(), int(batch.images.sum())))
        return self.weight.square()

    def on_train_batch_end(self, *_):
        if len(self.seen) == 3 and self.checkpoint is not None:
            self.trainer.save_checkpoint(self.checkpoint)

    def validation_step(self, batch, _):
        assert isinstance(batch, ObjectBatch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(module, ckpt_path=None):
    data = ObjectData(Shapes(), Shapes(), policy=POLICY, batch_size=2, iterations=7)
    trainer = Trainer(
        max_epochs=1,
        limit_val_batches=1,
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)


def test_a_resumed_training_goes_on_with_the_next_step(tmp_path):
    whole, rest = Watcher(tmp_path / "after_3.ckpt"), Watcher()
    fit(whole)
    assert len(whole.seen) == 7
    fit(rest, tmp_path / "after_3.ckpt")
    assert rest.seen == whole.seen[3:]
