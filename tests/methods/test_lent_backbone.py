"""A run gives a backbone back as it got it, however it ends; only weights are another's."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BackboneFinetuning
from torch import nn
from torch.utils.data import DataLoader

import instdisc
from instdisc.methods import Classification, PretrainModule
from instdisc.models.form import Form
from instdisc.models.grouped_norm.layers import GroupedBatchNorm2d
from instdisc.testing.runs import make_batches
from instdisc.transfer import Recipe, finetune
from instdisc.types import InputSpec

# Lightning's remarks on runs as short as these, and on parts that are frozen on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:Found .* module.* in eval mode"),
    pytest.mark.filterwarnings("ignore:The dataloader, .* does not have many workers"),
]

SMALL = {"queue_size": 16, "batch_norm_groups": 4}


def trainer(*callbacks, **settings):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    quiet |= {"enable_checkpointing": False, "accelerator": "cpu", "max_epochs": 1}
    return pl.Trainer(**{**quiet, "callbacks": list(callbacks), **settings})


def batches(count, size):
    return DataLoader(make_batches(count, size, 32), batch_size=None)


def form(net):
    """What of a network a run may not leave changed."""
    modules = [(type(m), m.training, getattr(m, "groups", None)) for m in net.modules()]
    tensors = [(t.dtype, t.stride(), t.requires_grad) for t in [*net.parameters(), *net.buffers()]]
    return modules, tensors


class Within(pl.Callback):
    """Notes how the backbone stands in a step, and ends the run as is asked."""

    def __init__(self, error=None):
        self.error = error

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.groups = {getattr(m, "groups", None) for m in module.backbone.modules()}
        self.weight = next(module.backbone.parameters()).detach().clone()
        if self.error is not None:
            raise self.error


def moco(**settings):
    return instdisc.MoCoModule("test_resnet", **{**SMALL, **settings})


@pytest.mark.parametrize(
    "end", [None, RuntimeError("broken"), KeyboardInterrupt()], ids=["whole", "error", "interrupt"]
)
def test_groups_end_with_the_run(end):
    module, within = moco(channels_last=True), Within(end)
    before = form(module)
    runs = trainer(within)
    for _ in range(2):  # a second run of the same Trainer and module
        if end is None:
            runs.fit(module, batches(2, 8))
        else:
            with pytest.raises((RuntimeError, SystemExit)):
                runs.fit(module, batches(2, 8))
        assert 4 in within.groups
        assert within.weight.is_contiguous(memory_format=torch.channels_last)
        assert form(module) == before
        runs = trainer(within)


@pytest.mark.parametrize("mode", ["validate", "predict"])
def test_runs_without_training_leave_it_too(mode):
    module = moco(channels_last=True)
    runs = trainer()
    runs.fit(module, batches(1, 8))
    before = form(module)
    module.predict_step = lambda batch, batch_idx: module(batch[0][0])
    getattr(runs, mode)(module, batches(1, 8))
    assert form(module) == before


def test_own_groups_and_frozen_parts_come_back():
    backbone = instdisc.Backbone("test_resnet")
    instdisc.models.split_batch_norm(backbone.net.layer1, 2)
    backbone.net.conv1.requires_grad_(False)
    backbone.net.layer2.eval()
    module = PretrainModule(backbone, {"class": Classification(backbone.dim, 4)})
    before = form(backbone)
    within = Within()
    trainer(within).fit(module, batches(1, 8))
    assert within.groups == {1, None}  # 1: a convolution's
    assert form(backbone) == before


def test_what_lightnings_finetuning_freezes_is_free_again():
    module = moco()
    before = form(module)
    freezes = BackboneFinetuning(unfreeze_backbone_at_epoch=5)
    trainer(freezes).fit(module, batches(1, 8))
    assert form(module) == before


def test_the_next_method_trains_as_it_is_told():
    module = moco()
    trainer().fit(module, batches(1, 8))
    after, within = instdisc.SupervisedModule(module.backbone, num_classes=4), Within()
    trainer(within).fit(after, batches(1, 6))  # 4 groups would not divide 6
    assert within.groups == {1, None}  # 1: a convolution's
    assert after.recipe["start"]["pretraining"] == "MoCoModule"
    assert module.backbone.about().pretraining == "SupervisedModule, from MoCoModule"


def test_finetuning_equals_that_of_the_file(tmp_path):
    module = moco()
    trainer().fit(module, batches(2, 8))
    path = instdisc.export_backbone(module, tmp_path / "it.safetensors")
    train = instdisc.Scenes(30, image_size=32)
    test = instdisc.Scenes(20, image_size=32, split="test")
    recipe = Recipe(0.03, 30, 0.0)  # 4 groups would not divide 30
    values = [
        finetune(b, train, test, image_size=32, epochs=2, grid=[recipe])[0].value
        for b in (module.backbone, instdisc.load_backbone(path))
    ]
    assert values[0] == values[1]


def test_synchronised_norms_are_themselves_again():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), instdisc.Backbone("test_resnet").net)
    before, kept = Form(net), form(net)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    import timm.layers

    timm.layers.convert_sync_batchnorm(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    net.half()  # buffers are other tensors then
    net[1].running_mean.fill_(3)
    before.restore()
    assert form(net) == kept
    assert [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)] == norms
    assert net[1].running_mean.tolist() == [3, 3, 3]
    assert net.train()(torch.randn(2, 3, 32, 32)).isfinite().all()


def test_a_form_returns_groups():
    net = nn.Sequential(nn.BatchNorm2d(2))
    instdisc.models.split_batch_norm(net, 4)
    before = Form(net)
    instdisc.models.split_batch_norm(net, 1)
    before.restore()
    assert (type(net[0]), net[0].groups) == (GroupedBatchNorm2d, 4)


def test_identity_changes_when_training_does():
    backbone = instdisc.Backbone("test_resnet")
    backbone.input = InputSpec(size=96)
    module = instdisc.MoCoModule(backbone, **SMALL)
    assert backbone.origin is None  # nothing was trained yet
    trainer().fit(module, batches(1, 8))
    assert (backbone.origin.method, backbone.input.size) == ("MoCoModule", 96)
