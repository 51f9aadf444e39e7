"""Loaders that Lightning makes again: to overfit a few batches, and to predict."""

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from torch.utils.data import BatchSampler, RandomSampler

from instdisc.data import (
    LandmarkData,
    ObjectData,
    ObjectDataset,
    ObjectLoader,
    ObjectPolicy,
    SceneObjects,
    Scenes,
    SegmentData,
    ViewData,
    ViewDataset,
    ViewLoader,
    view_policy,
)
from instdisc.methods import MoCoModule

pytestmark = [
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:.* returned None"),
]

OBJECTS = SceneObjects(Scenes(9, image_size=32))


def views(count=10):
    return ViewDataset(Scenes(count, image_size=32), [view_policy("moco_v2", 16)] * 2)


def view_loader(**options):
    return ViewLoader(views(), 4, **options)


def object_loader(**options):
    options = {"iterations": 6, **options}
    return ObjectLoader(ObjectDataset(OBJECTS, ObjectPolicy([32])), 4, **options)


class Watch(LightningModule):
    """Notes which images come."""

    def __init__(self, loader=None):
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen, self.validated = [], []
        self.loader = loader

    def train_dataloader(self):
        return self.loader()

    def predict_dataloader(self):
        return self.loader()

    def training_step(self, batch, batch_idx):
        self.seen.append(batch.indices.tolist())

    def validation_step(self, batch, batch_idx):
        self.validated.append(batch.indices.tolist())

    def predict_step(self, batch, batch_idx):
        return batch.indices.tolist()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer(**options):
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )


@pytest.mark.filterwarnings("ignore:You requested to overfit but enabled train")
@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize(
    "loader",
    [
        view_loader,
        lambda: view_loader(num_workers=1),
        lambda: view_loader(raw=True, drop_last=False),
        object_loader,
    ],
)
def test_overfitting_takes_the_first_images_again_and_again(loader, bare):
    module = Watch(loader)
    trainer(max_epochs=3, overfit_batches=2).fit(module, loader() if bare else None)
    # Within a step objects are sorted by their shape, and all of these have the same.
    assert module.seen == [[0, 1, 2, 3], [4, 5, 6, 7]] * 3


def test_what_comes_in_order_is_left_in_place_without_a_word():
    module = Watch()
    plain = view_loader(shuffle=False, drop_last=False)
    trainer(max_epochs=2, overfit_batches=1).fit(module, plain, plain)
    assert module.seen == module.validated == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize(
    ("loader", "count"),
    [
        (view_loader, 10),
        (lambda: view_loader(num_workers=1, shuffle=False, drop_last=False), 10),
        (lambda: view_loader(raw=True), 10),
        (lambda: object_loader(iterations=None), 9),
    ],
)
def test_predicting_takes_each_image_in_order(loader, count, bare):
    module = Watch(loader)
    batches = trainer().predict(module, loader() if bare else None)
    assert [len(batch) for batch in batches] == [4, 4, count - 8]
    assert [index for batch in batches for index in batch] == list(range(count))


def test_data_modules_predict_what_they_test():
    scenes = Scenes(8, image_size=32)
    for data in (
        ObjectData(OBJECTS, OBJECTS, policy=ObjectPolicy([32])),
        SegmentData("scenes", crop_size=32),
        LandmarkData("scenes"),
    ):
        batches = trainer(limit_predict_batches=3).predict(Watch(), datamodule=data)
        assert len(batches) == 3
        images = [index for batch in batches for index in batch]
        assert images == list(range(len(images)))
    module = MoCoModule("test_resnet", queue_size=8)
    plain = ViewData(scenes, image_size=16, batch_size=4).plain_loader(scenes)
    features = trainer().predict(module, plain)
    module.eval()
    with torch.no_grad():
        for batch, predicted in zip(plain, features, strict=True):
            torch.testing.assert_close(module(batch.images[0]), predicted)


def test_a_loader_that_leaves_its_data_module_trains():
    data = ViewData(Scenes(8, image_size=32), image_size=16, batch_size=4)
    module = MoCoModule("test_resnet", queue_size=8, batch_norm_groups=2)
    runner = trainer(max_epochs=1)
    runner.fit(module, data.train_dataloader())
    assert runner.global_step == 2


@pytest.mark.parametrize("loader", [view_loader, object_loader])
def test_other_samplers_are_refused(loader):
    sampler = RandomSampler(range(10))
    with pytest.raises(ValueError, match="`sampler` must be None, .* set `shuffle`"):
        loader(sampler=sampler)
    with pytest.raises(TypeError, match="`batch_sampler` must be None"):
        loader(batch_sampler=BatchSampler(sampler, 4, True))
