"""A pretrained backbone remembers how it saw images; a user's own data module is left alone."""

import pytest
from pytorch_lightning import LightningDataModule, Trainer

import instdisc
from instdisc.data import ViewLoader


def fit(data):
    module = instdisc.MoCoModule("test_resnet", queue_size=16, batch_norm_groups=2)
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    Trainer(max_steps=1, accelerator="cpu", **quiet).fit(module, datamodule=data)
    return module.backbone.input


# No test images on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
]


@pytest.fixture
def scenes():
    return instdisc.ViewData(instdisc.Scenes(32, image_size=32), image_size=32, batch_size=16)


def test_views_of_ours_are_remembered(scenes):
    assert fit(scenes).size == 32


@pytest.mark.parametrize("policies", [None, [], ["keep"], {"lr": 1}])
def test_what_else_is_called_policies_is_left_alone(scenes, policies):
    class Own(LightningDataModule):
        def train_dataloader(self):
            dataset = scenes.train_dataloader().dataset
            return ViewLoader(dataset, 16, shuffle=True, drop_last=True)

    data = Own()
    data.policies = policies
    assert fit(data) == instdisc.types.InputSpec()
