"""State dicts without a checkpoint around them, detectron2's pickles, and networks of one's own."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from instdisc.checkpoint import describe_checkpoint, export_backbone, load_backbone
from instdisc.methods import MoCoModule
from instdisc.models import Backbone


@pytest.mark.parametrize("name", ["resnet18", "test_resnet"])
@pytest.mark.parametrize("whose", ["module", "backbone", "net"])
def test_state_dicts_of_the_library(name, whose, make_backbone, features, tmp_path):
    backbone = make_backbone(name)
    module = MoCoModule(backbone, queue_size=8)
    owner = {"module": module, "backbone": backbone, "net": backbone.net}[whose]
    torch.save(owner.state_dict(), tmp_path / "file")
    loaded = load_backbone(tmp_path / "file", None if name == "resnet18" else name)
    assert torch.equal(features(loaded), features(backbone))
    if whose != "net":
        assert describe_checkpoint(tmp_path / "file").layout == "weights alone"
    if name == "test_resnet":
        with pytest.raises(ValueError, match="do not tell the architecture.*give its `name`"):
            load_backbone(tmp_path / "file")


def test_a_stranger_beside_the_weights_of_a_module(make_backbone, tmp_path):
    state = MoCoModule(make_backbone(), queue_size=8).state_dict()
    torch.save({**state, "my_head.weight": torch.ones(1)}, tmp_path / "file")
    with pytest.raises(ValueError, match=r"Unexpected keys: my_head.weight \(1 in all\)"):
        load_backbone(tmp_path / "file")


def test_what_the_refusal_of_a_pickle_advises_can_be_read(make_backbone, features, tmp_path):
    module = MoCoModule(make_backbone(), queue_size=8)
    checkpoint = {"state_dict": module.state_dict(), "hyper_parameters": SimpleNamespace(a=1)}
    torch.save(checkpoint, tmp_path / "it.ckpt")
    with pytest.raises(ValueError, match=r"names types.SimpleNamespace.*state_dict.*export_backbo"):
        load_backbone(tmp_path / "it.ckpt")
    torch.save(module.state_dict(), tmp_path / "new.pth")
    assert torch.equal(features(load_backbone(tmp_path / "new.pth")), features(module.backbone))
    # And what earlier versions advised.
    state = torch.load(tmp_path / "it.ckpt", weights_only=False)["state_dict"]
    torch.save(state, tmp_path / "old.pth")
    assert torch.equal(features(load_backbone(tmp_path / "old.pth")), features(module.backbone))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_detectron2_comes_back(name, make_backbone, features, tmp_path):
    backbone = make_backbone(name)
    path = export_backbone(backbone, tmp_path / "file.pkl", format="detectron2")
    loaded = load_backbone(path)
    assert torch.equal(features(loaded), features(backbone))
    assert (loaded.name, describe_checkpoint(path).layout) == (name, "detectron2")


def test_a_pickle_of_detectron2_runs_nothing(tmp_path):
    trace = tmp_path / "trace"

    class Trap:
        def __reduce__(self):
            return Path.touch, (trace,)

    content = {"model": {"stem.conv1.weight": np.zeros((2, 2), np.float32)}, "more": Trap()}
    (tmp_path / "file.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"names pathlib[\w.]*, and .* could run code"):
        load_backbone(tmp_path / "file.pkl")
    assert not trace.exists()
    whole = pickle.dumps({"model": {"stem.conv1.weight": np.zeros(1000, np.float32)}})
    (tmp_path / "file.pkl").write_bytes(whole[:500])
    with pytest.raises(ValueError, match="file.pkl cannot be read: it was truncated"):
        load_backbone(tmp_path / "file.pkl")


class Own(nn.Module):
    """A network that timm does not have; ``net`` and ``backbone`` inside, to confuse."""

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 4, 3)
        self.backbone = nn.BatchNorm2d(4)

    def forward(self, images):
        return self.backbone(self.net(images)).mean((2, 3))


class Filled(Backbone):
    """A backbone around it, with a part of its own beside."""

    def __init__(self):
        super().__init__("test_resnet")
        self.net, self.dim = Own(), 5
        self.last = nn.Linear(4, 5)

    def forward(self, images):
        return self.last(self.net(images))


def plain():
    backbone = Backbone("test_resnet")
    backbone.net, backbone.dim = Own(), 4
    return backbone


@pytest.mark.parametrize("build", [plain, Filled])
@pytest.mark.parametrize("way", ["export", "state", "module"])
def test_a_network_of_ones_own(build, way, randomise, features, tmp_path):
    made, path = randomise(build()), tmp_path / "file"
    if way == "export":
        export_backbone(made, path)
        with pytest.raises(ValueError, match=r"load_backbone\(path, backbone=...\)"):
            load_backbone(path)
    else:
        owner = made if way == "state" else MoCoModule(made, queue_size=8)
        torch.save(owner.state_dict(), path)
    fresh = build()
    assert load_backbone(path, backbone=fresh) is fresh
    assert torch.equal(features(fresh), features(made))
    assert fresh.origin.checkpoint == str(path)
    assert fresh.about().weights == made.about().weights


def test_the_weights_of_a_bare_network(randomise, features, tmp_path):
    made = randomise(plain())
    torch.save(made.net.state_dict(), tmp_path / "file")
    loaded = load_backbone(tmp_path / "file", backbone=plain())
    assert torch.equal(features(loaded), features(made))


def test_what_does_not_fit_changes_nothing(make_backbone, tmp_path):
    path = export_backbone(make_backbone("resnet18"), tmp_path / "file")
    cifar, own = Backbone("resnet18", stem="no_pool"), plain()
    before = cifar.about(), own.about()
    with pytest.raises(ValueError, match="another architecture: `backbone` is .*no_pool.*imagenet"):
        load_backbone(path, backbone=cifar)
    with pytest.raises(ValueError, match="another architecture: `backbone` is .*test_resnet"):
        load_backbone(path, backbone=own)
    torch.save(cifar.net.state_dict(), path)
    with pytest.raises(ValueError, match="does not fit `backbone`.* Missing keys: net.weight"):
        load_backbone(path, backbone=own)
    with pytest.raises(TypeError, match="`backbone` must be a Backbone or None, got"):
        load_backbone(path, backbone=own.net)
    with pytest.raises(ValueError, match="`backbone` is the network itself: leave out `name`"):
        load_backbone(path, "resnet18", backbone=cifar)
    assert (cifar.about(), own.about()) == before


def test_other_formats_cannot_hold_what_stands_beside_the_network(tmp_path):
    with pytest.raises(ValueError, match=r"has more: last.weight, last.bias"):
        export_backbone(Filled(), tmp_path / "file.pth", format="timm")
