import json
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import safetensors
import timm
import torch
import torchvision
from torch import nn

from instdisc.checkpoint import CheckpointInfo, describe_checkpoint, export_backbone, load_backbone
from instdisc.models import Backbone, split_batch_norm
from instdisc.version import __version__

VIT = ("vit_tiny_patch16_224", {"img_size": 32})


class Pretraining(pl.LightningModule):
    """What a pretraining module looks like from here."""

    def __init__(self, backbone):
        super().__init__()
        self.recipe = {"temperature": 0.2, "objectives": ["instance", None], "note": "ü"}
        self.backbone = backbone
        self.projector = nn.Linear(backbone.dim, 8)
        self.register_buffer("queue", torch.zeros(4, 8))
        self.save_hyperparameters({"folder": Path("images"), "momentum": 0.999})

    def on_save_checkpoint(self, checkpoint):
        checkpoint["instdisc"] = {
            "backbone": self.backbone.spec,
            "method": type(self).__name__,
            "recipe": self.recipe,
            "version": "0.0.7",
        }


def lightning_checkpoint(module, path):
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path)
    return path


@pytest.mark.parametrize(
    ("name", "options", "format"),
    [
        ("resnet18", {}, "instdisc"),
        ("resnet18", {"stem": "cifar"}, "instdisc"),
        ("resnet18", {"stem": "no_pool"}, "instdisc"),
        ("resnet50", {}, "instdisc"),
        ("resnet10t", {}, "instdisc"),
        (*VIT, "instdisc"),
        ("resnet18", {}, "timm"),
        ("resnet10t", {}, "timm"),
        (*VIT, "timm"),
        ("resnet18", {"zero_init_last": False}, "torchvision"),
        ("resnet50", {}, "torchvision"),
    ],
)
def test_round_trip_gives_equal_features(name, options, format, make_backbone, features, tmp_path):
    backbone = make_backbone(name, **options)
    path = export_backbone(backbone, tmp_path / "file", format=format)
    told = format == "instdisc" or name in ("resnet18", "resnet50")
    loaded = load_backbone(path) if told else load_backbone(path, name, options=options)
    assert torch.equal(features(loaded), features(backbone))
    assert loaded.name == name
    if format == "instdisc":
        assert loaded.spec == backbone.spec
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_torchvision_and_timm_take_the_files(make_backbone, features, tmp_path):
    backbone = make_backbone("resnet18")
    path = export_backbone(backbone, tmp_path / "a.pth", format="torchvision")
    resnet = torchvision.models.resnet18()
    resnet.fc = nn.Identity()
    resnet.load_state_dict(torch.load(path, weights_only=True))
    torch.testing.assert_close(features(resnet), features(backbone))

    path = export_backbone(backbone, tmp_path / "b.pth", format="timm")
    net = timm.create_model("resnet18", num_classes=0, checkpoint_path=str(path))
    assert torch.equal(features(net), features(backbone))

    path = export_backbone(backbone, tmp_path / "c.safetensors")
    net = timm.create_model("resnet18", num_classes=0, checkpoint_path=str(path))
    assert torch.equal(features(net), features(backbone))


def test_timm_opens_the_file_whichever_its_suffix(make_backbone, features, tmp_path):
    backbone = make_backbone("resnet18")
    for suffix in (".safetensors", ".pth"):
        path = export_backbone(backbone, tmp_path / f"file{suffix}", format="timm")
        net = timm.create_model("resnet18", num_classes=0, checkpoint_path=str(path))
        assert torch.equal(features(net), features(backbone))


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.pth", "instdisc"),
        ("a.pkl", "timm"),
        ("a.PKL", "torchvision"),
        ("a.safetensors", "detectron2"),
        ("a.pt", "detectron2"),
    ],
)
def test_a_suffix_that_means_another_format(name, format, make_backbone, tmp_path):
    with pytest.raises(ValueError, match=rf"`path` must be a file .* for `format`='{format}'"):
        export_backbone(make_backbone(), tmp_path / name, format=format)
    assert list(tmp_path.iterdir()) == []


FILES = (
    ("a.safetensors", "instdisc"),
    ("b.safetensors", "timm"),
    ("c.pth", "timm"),
    ("d.pt", "torchvision"),
    ("e.safetensors", "torchvision"),
    ("f.pkl", "detectron2"),
)
_WRITE = """
import sys, torch
from pathlib import Path
from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone
torch.manual_seed(0)
backbone = Backbone("resnet18", zero_init_last=False)
for name, format in {files}:
    export_backbone(backbone, Path({folder!r}) / name, format=format)
"""


@pytest.mark.slow
def test_equal_exports_are_equal_bytes_in_every_process(tmp_path):
    for seed in "12":
        code = _WRITE.format(files=FILES, folder=str(tmp_path / seed))
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=environment)
    for name, _ in FILES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_detectron2_names_and_features(name, make_backbone, features, tmp_path):
    backbone = make_backbone(name)
    path = export_backbone(backbone, tmp_path / "file.pkl", format="detectron2")
    content = pickle.loads(path.read_bytes())
    assert content["matching_heuristics"] is True
    assert content["__author__"] == "instdisc"

    blocks, convs = ((2, 2, 2, 2), 2) if name == "resnet18" else ((3, 4, 6, 3), 3)
    units = ["stem.conv1"]
    for stage, count in enumerate(blocks, start=2):
        for block in range(count):
            units += [f"res{stage}.{block}.conv{conv + 1}" for conv in range(convs)]
            if block == 0 and (convs == 3 or stage > 2):
                units.append(f"res{stage}.{block}.shortcut")
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{unit}.weight" for unit in units}
    expected |= {f"{unit}.norm.{part}" for unit in units for part in norm}
    assert set(content["model"]) == expected

    state = {}
    for key, value in content["model"].items():
        key = re.sub(r"conv(\d)\.norm", r"bn\1", key.removeprefix("stem."))
        key = key.replace("shortcut.norm", "downsample.1").replace("shortcut", "downsample.0")
        key = re.sub(r"^res(\d)", lambda stage: f"layer{int(stage[1]) - 1}", key)
        state[key] = torch.from_numpy(value)
    resnet = getattr(torchvision.models, name)()
    resnet.fc = nn.Identity()
    resnet.load_state_dict(state)
    torch.testing.assert_close(features(resnet), features(backbone))


def test_published_detectron2_names(make_backbone, tmp_path):
    # What facebookresearch/moco's converter prints for these weights.
    published = {
        "conv1.weight": "stem.conv1.weight",
        "bn1.running_mean": "stem.conv1.norm.running_mean",
        "layer1.0.conv1.weight": "res2.0.conv1.weight",
        "layer2.1.bn2.bias": "res3.1.conv2.norm.bias",
        "layer2.0.downsample.0.weight": "res3.0.shortcut.weight",
        "layer4.0.downsample.1.running_var": "res5.0.shortcut.norm.running_var",
    }
    backbone = make_backbone("resnet18")
    path = export_backbone(backbone, tmp_path / "file.pkl", format="detectron2")
    model = pickle.loads(path.read_bytes())["model"]
    for ours, theirs in published.items():
        assert torch.equal(torch.from_numpy(model[theirs]), backbone.net.state_dict()[ours])


def test_own_file_tells_how_it_was_made(make_backbone, features, tmp_path):
    module = Pretraining(make_backbone("resnet18", stem="cifar"))
    path = export_backbone(module, str(tmp_path / "new" / "folder" / "file.safetensors"))
    assert path == tmp_path / "new" / "folder" / "file.safetensors"
    spec = {"name": "resnet18", "stem": "cifar"}
    seen = module.backbone.input
    info = CheckpointInfo("instdisc", spec, "Pretraining", module.recipe, __version__, seen)
    assert describe_checkpoint(path) == info
    with safetensors.safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["recipe"]) == module.recipe
    # Exported once more, it still tells.
    again = export_backbone(path, tmp_path / "again")
    assert describe_checkpoint(again) == info
    assert torch.equal(features(load_backbone(again)), features(module.backbone))


@pytest.mark.parametrize("compiled", [False, True])
def test_lightning_checkpoint(compiled, make_backbone, features, tmp_path):
    module = Pretraining(make_backbone("resnet18", stem="no_pool"))
    checkpoint = lightning_checkpoint(module, tmp_path / "last.ckpt")
    if compiled:  # the names that torch.compile(module.backbone) leaves
        content = torch.load(checkpoint, weights_only=False)
        content["state_dict"] = {
            key.replace("backbone.", "backbone._orig_mod."): value
            for key, value in content["state_dict"].items()
        }
        torch.save(content, checkpoint)
    assert torch.equal(features(load_backbone(checkpoint)), features(module.backbone))
    spec = {"name": "resnet18", "stem": "no_pool"}
    info = CheckpointInfo("lightning", spec, "Pretraining", module.recipe, "0.0.7")
    assert describe_checkpoint(checkpoint) == info
    path = export_backbone(checkpoint, tmp_path / "file.safetensors")
    seen = module.backbone.input  # an export always tells
    assert describe_checkpoint(path) == info._replace(layout="instdisc", input=seen)
    assert torch.equal(features(load_backbone(path)), features(module.backbone))


def test_published_file_to_detectron2(randomise, tmp_path):
    resnet = randomise(torchvision.models.resnet18())
    torch.save(resnet.state_dict(), tmp_path / "in.pth")
    path = export_backbone(tmp_path / "in.pth", tmp_path / "out.pkl", format="detectron2")
    model = pickle.loads(path.read_bytes())["model"]
    weight = torch.from_numpy(model["res2.1.conv2.weight"])
    assert torch.equal(weight, resnet.layer1[1].conv2.weight)


def test_memory_format_and_split_norm_leave_no_trace(make_backbone, features, tmp_path):
    backbone = make_backbone("resnet18")
    before = features(backbone)
    split_batch_norm(backbone, 2).to(memory_format=torch.channels_last)
    for format in ("instdisc", "torchvision"):
        loaded = load_backbone(export_backbone(backbone, tmp_path / format, format=format))
        assert torch.equal(features(loaded), before)


def test_others_may_read_the_file_as_any_other(make_backbone, tmp_path):
    (tmp_path / "any").touch()
    for format in ("instdisc", "timm"):
        path = export_backbone(make_backbone("resnet10t"), tmp_path / format, format=format)
        assert path.stat().st_mode == (tmp_path / "any").stat().st_mode


def test_loading_leaves_the_random_numbers_alone(make_backbone, tmp_path):
    path = export_backbone(make_backbone("resnet10t"), tmp_path / "file")
    state = torch.get_rng_state()
    load_backbone(path)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("format", "step"), [("instdisc", "fsync"), ("timm", "replace"), ("detectron2", "replace")]
)
def test_failure_while_writing_leaves_the_previous_file(
    format, step, make_backbone, tmp_path, monkeypatch
):
    backbone = make_backbone()
    path = export_backbone(backbone, tmp_path / "file", format=format)
    before = path.read_bytes()
    backbone.net.bn1.bias.data.zero_()

    def fail(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space left"):
        export_backbone(backbone, path, format=format)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_kill_while_writing_leaves_the_previous_file(make_backbone, features, tmp_path):
    backbone = make_backbone()
    path = export_backbone(backbone, tmp_path / "file")
    script = f"""
import os, sys, time
from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone
def fsync(file):
    print("written, not yet renamed", flush=True)
    time.sleep(600)
os.fsync = fsync
export_backbone(Backbone("resnet18"), {str(path)!r})
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert b"written" in child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.iterdir())) == 2  # the victim's partial file is there, under its name
    assert torch.equal(features(load_backbone(path)), features(backbone))


@pytest.mark.parametrize(
    ("name", "options", "format", "message"),
    [
        ("resnet18", {}, "onnx", "`format` must be one of 'instdisc', 'torchvision', 'timm'"),
        ("resnet18", {"stem": "cifar"}, "torchvision", "cannot tell a stem, and this one is 'cif"),
        ("resnet18", {"stem": "no_pool"}, "timm", "cannot tell a stem.*Use format='instdisc'"),
        ("resnet10t", {}, "torchvision", "is for resnet18, .* got 'resnet10t'"),
        (*VIT, "detectron2", "is for resnet18, .* got 'vit_tiny_patch16_224'"),
        ("resnet18", {"output_stride": 8}, "torchvision", "'resnet18' with output_stride"),
    ],
)
def test_formats_that_cannot_hold_it(name, options, format, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_backbone(Backbone(name, **options), tmp_path / "file", format=format)
    assert list(tmp_path.iterdir()) == []


def test_sources_that_cannot_be_exported(tmp_path):
    with pytest.raises(TypeError, match=r"`source` must be a pretraining module .* got Linear"):
        export_backbone(nn.Linear(1, 1), tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        export_backbone(tmp_path / "none", tmp_path / "file")
    backbone = Backbone("resnet10t", act_layer=nn.SiLU)
    with pytest.raises(TypeError, match="JSON values only in its timm options"):
        export_backbone(backbone, tmp_path / "file")
    module = Pretraining(Backbone("resnet10t"))
    module.recipe = {"loss": nn.Linear(1, 1)}
    with pytest.raises(TypeError, match="JSON values only in its recipe"):
        export_backbone(module, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
