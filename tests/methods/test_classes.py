"""What methods say of training sets without the classes that they compare."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import instdisc
from instdisc.data import ImageSubset, Scenes, ViewData

# No images to validate on, and no workers: what is tested comes before.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero"),
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:The number of training batches .* is smaller than"),
]
SMALL = {"queue_size": 16, "batch_norm_groups": 2}
METHODS = {
    "ExemplarModule": lambda: instdisc.ExemplarModule("test_resnet", **SMALL),
    "SupConModule": lambda: instdisc.SupConModule("test_resnet", **SMALL),
    "SupervisedModule": lambda: instdisc.SupervisedModule("test_resnet", num_classes=8),
    "CrossEntropyMoCoModule": lambda: instdisc.CrossEntropyMoCoModule(
        "test_resnet", num_classes=8, **SMALL
    ),
}


@pytest.fixture(scope="module")
def scenes():
    return Scenes(48, image_size=32)


def trainer(tmp_path):
    return pl.Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )


def views(images):
    return ViewData(images, image_size=32, batch_size=8)


def alone(scenes):
    return ImageSubset(scenes, (scenes.labels == scenes.labels[0]).nonzero()[:, 0])


class Unlabelled(ImageSubset):
    def __init__(self, images, count):
        super().__init__(images, torch.arange(16))
        self.labels = self.labels.clone()
        self.labels[:count] = -1


@pytest.mark.parametrize("method", METHODS)
def test_one_class_is_refused(tmp_path, method, scenes):
    few = alone(scenes)
    few = ImageSubset(few, torch.arange(len(few)).repeat(3))
    match = rf"{method} needs images of at least 2 classes, but all {len(few)} training images"
    with pytest.raises(ValueError, match=match):
        trainer(tmp_path).fit(METHODS[method](), views(few))


@pytest.mark.parametrize(("count", "told"), [(16, "16 of 16"), (1, "1 of 16")])
def test_unknown_labels_are_refused_at_the_start(tmp_path, scenes, count, told):
    match = f"ExemplarModule needs a class for every image, but {told} training images have none"
    with pytest.raises(ValueError, match=match):
        trainer(tmp_path).fit(METHODS["ExemplarModule"](), views(Unlabelled(scenes, count)))


def test_a_loader_without_a_data_module(tmp_path, scenes):
    few = ImageSubset(alone(scenes), torch.tensor([0, 0, 0, 0, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match="at least 2 classes"):
        trainer(tmp_path).fit(METHODS["ExemplarModule"](), views(few).train_dataloader())


class Pairs(torch.utils.data.Dataset):
    """As torchvision's sets and lightly's: pairs of views, and ``targets``."""

    targets = [3] * 8

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return [torch.rand(3, 32, 32), torch.rand(3, 32, 32)], self.targets[index]


def test_the_targets_of_torchvision(tmp_path):
    loader = DataLoader(Pairs(), batch_size=8)
    with pytest.raises(ValueError, match="all 8 training images are of one, label 3"):
        trainer(tmp_path).fit(METHODS["ExemplarModule"](), loader)


def test_moco_needs_no_class(tmp_path, scenes):
    fit = trainer(tmp_path)
    few = ImageSubset(alone(scenes), torch.tensor([0, 0, 0, 0, 0, 0, 0, 0]))
    fit.fit(instdisc.MoCoModule("test_resnet", **SMALL), views(few))
    assert fit.global_step == 1
