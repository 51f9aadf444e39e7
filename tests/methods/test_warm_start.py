"""A file as the start of every method, and a checkpoint that tells its backbone."""

import inspect
import types

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import instdisc
from instdisc import methods
from instdisc.checkpoint import describe_checkpoint, export_backbone
from instdisc.models import Backbone
from instdisc.testing.runs import make_batches

pytestmark = [
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:The dataloader, .* does not have many workers"),
]

CLASSES = [
    kind
    for kind in vars(methods).values()
    if inspect.isclass(kind)
    and issubclass(kind, methods.PretrainModule)
    and kind is not methods.PretrainModule
]


def settings(kind):
    """Small ones, of those that the class takes."""
    small = {"queue_size": 16, "batch_norm_groups": 2, "num_classes": 4, "reference_batch": None}
    small |= {"hidden_dim": 16, "projection_dim": 8, "num_images": 8, "num_views": 2}
    small |= {"predictor_dim": 16, "bottleneck_dim": 8, "num_prototypes": 16, "num_negatives": 4}
    return {n: v for n, v in small.items() if n in inspect.signature(kind.__init__).parameters}


def train(module, path=None):
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(make_batches(1, 8, 32), batch_size=None))
    if path is not None:
        trainer.save_checkpoint(path)
    return module


@pytest.mark.parametrize("kind", CLASSES)
def test_every_method_begins_with_a_file_and_comes_back(kind, tmp_path):
    start = Backbone("test_resnet")
    file = export_backbone(start, tmp_path / "start.safetensors")
    for source in (file, str(file)):
        module = kind(source, **settings(kind))
        assert module.backbone.about().weights == start.about().weights
        if module.momentum_backbone is not None:
            slow = module.momentum_backbone.module.state_dict()
            assert all(torch.equal(slow[k], v) for k, v in start.state_dict().items())
    told = module.recipe["start"]
    assert (told["checkpoint"], told["weights"]) == (str(file), start.about().weights)

    train(module, tmp_path / "it.ckpt")
    for given in ({}, {"backbone": "test_resnet"}):
        again = kind.load_from_checkpoint(tmp_path / "it.ckpt", **given)
        assert again.recipe == module.recipe
        assert again.backbone.spec["name"] == "test_resnet"
        for name, value in module.state_dict().items():
            assert torch.equal(again.state_dict()[name], value), name
        assert again.backbone.origin == module.backbone.origin
    assert again.backbone.origin.pretraining == f"{kind.__name__}, from instdisc"
    loaded = instdisc.load_backbone(tmp_path / "it.ckpt")
    assert loaded.about().pretraining == module.backbone.about().pretraining
    assert describe_checkpoint(tmp_path / "it.ckpt").recipe["start"] == told


def test_random_weights_are_no_start():
    assert "start" not in instdisc.MoCoModule("test_resnet", queue_size=16).recipe


def test_what_cannot_be_begun_with(tmp_path):
    with pytest.raises(ValueError, match="`backbone` must be .*no file in .* and no name"):
        instdisc.MoCoModule("none.safetensors", queue_size=16)
    with pytest.raises(FileNotFoundError, match="`backbone` must be a file"):
        instdisc.MoCoModule(tmp_path / "none.safetensors", queue_size=16)
    with pytest.raises(TypeError, match="`backbone` must be a text, a Path or a Backbone, got"):
        instdisc.SupervisedModule(torch.nn.Linear(1, 1), num_classes=4)


class WithBackbone(methods.MoCoModule):
    """Takes a backbone, among others, and keeps all in its hyperparameters."""

    def __init__(self, backbone, extra=1, *, queue_size=16):
        super().__init__(backbone, queue_size=queue_size, batch_norm_groups=2)
        self.extra = extra
        self.save_hyperparameters(ignore=["backbone"])


class KeepsName(methods.MoCoModule):
    """Keeps the name of its backbone itself."""

    def __init__(self, backbone="resnet18", queue_size=16):
        super().__init__(backbone, queue_size=queue_size, batch_norm_groups=2)
        self.save_hyperparameters()


class PassesOn(methods.MoCoModule):
    """Hands on whatever it is given."""

    def __init__(self, *, extra=1, **settings):
        super().__init__(**settings)
        self.extra = extra


class Inside(methods.MoCoModule):
    """Builds its backbone itself, of settings that only Python can read."""

    def __init__(self, config):
        super().__init__("test_resnet", queue_size=config.size, batch_norm_groups=2)
        self.save_hyperparameters()


@pytest.mark.parametrize(
    "make",
    [
        lambda: WithBackbone("test_resnet", 7),
        lambda: WithBackbone(Backbone("resnet18", stem="cifar"), 7),
        lambda: KeepsName("test_resnet"),
        lambda: PassesOn(extra=7, backbone="test_resnet", queue_size=16, batch_norm_groups=2),
    ],
)
def test_subclasses_come_back(make, tmp_path):
    module = train(make(), tmp_path / "it.ckpt")
    again = type(module).load_from_checkpoint(tmp_path / "it.ckpt")
    assert again.backbone.spec == module.backbone.spec
    assert getattr(again, "extra", None) == getattr(module, "extra", None)
    for name, value in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    with (tmp_path / "it.ckpt").open("rb") as file:
        again = type(module).load_from_checkpoint(file)
    assert again.backbone.spec == module.backbone.spec


def test_settings_that_only_python_can_read(tmp_path):
    module = train(Inside(types.SimpleNamespace(size=16)), tmp_path / "it.ckpt")
    with pytest.raises(
        ValueError, match=r"`checkpoint_path` .* names types.SimpleNamespace.*add_s"
    ):
        Inside.load_from_checkpoint(tmp_path / "it.ckpt")
    with torch.serialization.safe_globals([types.SimpleNamespace]):  # as the message says
        again = Inside.load_from_checkpoint(tmp_path / "it.ckpt")
    trusted = Inside.load_from_checkpoint(tmp_path / "it.ckpt", weights_only=False)
    for name, value in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
        assert torch.equal(trusted.state_dict()[name], value), name


def test_an_instance_is_not_loaded_into(tmp_path):
    module = instdisc.MoCoModule("test_resnet", queue_size=16)
    with pytest.raises(TypeError, match=r"load_from_checkpoint makes a new module"):
        module.load_from_checkpoint(tmp_path / "it.ckpt")


def test_a_checkpoint_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        instdisc.MoCoModule.load_from_checkpoint(tmp_path / "none.ckpt")
