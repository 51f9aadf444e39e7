"""Backbones through a stand-in of the Hugging Face Hub: a folder behind its calls."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import save_file

from instdisc import load_backbone
from instdisc.checkpoint import (
    describe_checkpoint,
    export_backbone,
    from_hub,
    open_backbone,
    push_to_hub,
)
from instdisc.data import Scenes
from instdisc.models import Backbone
from instdisc.transfer import run_suite
from instdisc.types import InputSpec

VIT = ("test_vit", {"img_size": 64})


class Hub:
    """What the calls of huggingface_hub do to a folder with a folder for each repository."""

    def __init__(self, root):
        self.root = root
        self.calls = []

    def create_repo(self, api, repo_id, *, private=None, exist_ok=False):
        self.calls.append(("create_repo", repo_id, private, api.token))
        assert exist_ok
        repo_id = repo_id if "/" in repo_id else f"me/{repo_id}"
        (self.root / repo_id).mkdir(parents=True, exist_ok=True)
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(self, api, *, repo_id, folder_path, commit_message, delete_patterns):
        self.calls.append(("upload_folder", repo_id, commit_message))
        there = [file.name for file in (self.root / repo_id).iterdir()]
        for name in filter_repo_objects(there, allow_patterns=delete_patterns):
            (self.root / repo_id / name).unlink()
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)

    def download(self, repo_id, filename, *, revision=None, token=None, **cache):
        self.calls.append(("hf_hub_download", repo_id, filename, revision, token))
        path = self.root / repo_id / filename
        if not path.is_file():
            raise EntryNotFoundError(f"404: {path.name}")
        return str(path)

    def names(self, repo_id):
        return sorted(file.name for file in (self.root / repo_id).iterdir())


@pytest.fixture
def hub(tmp_path, monkeypatch):
    hub = Hub(tmp_path / "hub")
    for name in ("create_repo", "upload_folder"):
        call = getattr(hub, name)
        monkeypatch.setattr(
            huggingface_hub.HfApi, name, lambda api, *a, call=call, **k: call(api, *a, **k)
        )
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    monkeypatch.setattr("timm.models._hub.hf_hub_download", hub.download)
    return hub


@pytest.mark.parametrize(("name", "options"), [("test_resnet", {}), VIT])
def test_timm_opens_what_was_pushed(name, options, hub, make_backbone, features):
    backbone = make_backbone(name, **options)
    backbone.input = backbone.input._replace(mean=(0.5, 0.4, 0.3), crop=0.9)
    images = torch.randn(2, 3, 64, 64)
    assert push_to_hub(backbone, "me/net") == "hf-hub:me/net"
    assert hub.names("me/net") == ["config.json", "model.safetensors"]
    net = timm.create_model("hf-hub:me/net", pretrained=True).eval()
    with torch.no_grad():
        assert torch.equal(net(images), backbone.eval()(images))
    config = timm.data.resolve_data_config({}, model=net)
    size = backbone.input.size
    assert (tuple(config["input_size"]), config["crop_pct"]) == ((3, size, size), 0.9)
    assert (tuple(config["mean"]), config["interpolation"]) == ((0.5, 0.4, 0.3), "bilinear")
    # And its transfer: a new classifier upon the same weights.
    tuned = timm.create_model("hf-hub:me/net", pretrained=True, num_classes=7).eval()
    with torch.no_grad():
        assert tuned(images).shape == (2, 7)
        pooled = tuned.forward_head(tuned.forward_features(images), pre_logits=True)
        assert torch.equal(pooled, backbone(images))


@pytest.mark.parametrize(("name", "options"), [("test_resnet", {}), VIT])
def test_timm_opens_an_export(name, options, make_backbone, tmp_path):
    backbone = make_backbone(name, **options).eval()
    path = export_backbone(backbone, tmp_path / "net.safetensors")
    images = torch.randn(2, 3, 64, 64)
    for how in (
        {"checkpoint_path": path},
        {"pretrained": True, "pretrained_cfg_overlay": {"file": str(path)}},
    ):
        net = timm.create_model(name, num_classes=0, **how, **options).eval()
        with torch.no_grad():
            assert torch.equal(net(images), backbone(images))


@pytest.mark.parametrize(("name", "stem"), [("test_resnet", "no_pool"), ("resnet18", "cifar")])
def test_timm_refuses_a_stem_that_it_does_not_have(name, stem, make_backbone, features, tmp_path):
    """Without max-pool the weights alone would fit, and the features be others."""
    backbone = make_backbone(name, stem=stem)
    path = export_backbone(backbone, tmp_path / "net.safetensors")
    with pytest.raises(RuntimeError, match=r"stem\.no_pool|size mismatch for conv1"):
        timm.create_model(name, num_classes=0, checkpoint_path=path)
    assert torch.equal(features(load_backbone(path)), features(backbone))


def test_what_comes_back(hub, make_backbone, features, tmp_path):
    backbone = make_backbone("test_resnet")
    backbone.input = InputSpec(64, interpolation="bicubic")
    card = tmp_path / "card.md"
    card.write_text("# Über\n", encoding="utf-8")
    source = export_backbone(backbone, tmp_path / "net.safetensors")
    address = push_to_hub(source, "net", card=card, private=True, token="secret")
    assert address == "hf-hub:me/net"
    assert hub.calls[0] == ("create_repo", "net", True, "secret")
    assert (hub.root / "me/net/README.md").read_bytes() == card.read_bytes()
    assert (hub.root / "me/net/model.safetensors").read_bytes() == source.read_bytes()
    for loaded in (from_hub("me/net", revision="v1", token="t"), open_backbone(f"{address}@v1")):
        assert torch.equal(features(loaded), features(backbone))
        assert loaded.input == backbone.input
        about = loaded.about()
        assert (about.method, about.checkpoint) == ("net", "hf-hub:me/net@v1")
        assert about.weights == backbone.about().weights
    assert ("hf_hub_download", "me/net", "model.safetensors", "v1", "t") in hub.calls
    assert "secret" not in json.dumps(hub.calls[1:])


def test_a_stem_of_its_own(hub, make_backbone, features, caplog):
    push_to_hub(make_backbone("test_resnet"), "me/net")
    backbone = make_backbone("test_resnet", stem="no_pool")
    push_to_hub(backbone, "me/net")
    assert hub.names("me/net") == ["model.safetensors"]  # the config of the first is gone
    assert "me/net gets no config.json: timm alone cannot build" in caplog.text
    assert torch.equal(features(from_hub("me/net")), features(backbone))


def test_an_architecture_that_is_not_in_timm(hub, make_backbone, features):
    backbone = make_backbone("resnet12", channels=[4, 8, 8, 8])
    push_to_hub(backbone, "me/net")
    assert hub.names("me/net") == ["model.safetensors"]
    assert torch.equal(features(from_hub("me/net")), features(backbone))


def test_a_network_of_its_own(hub, randomise):
    def build():
        backbone = Backbone("test_resnet")
        backbone.net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())
        return backbone

    backbone = randomise(build())
    push_to_hub(backbone, "me/net")
    assert hub.names("me/net") == ["model.safetensors"]
    loaded = from_hub("me/net", backbone=build())
    assert torch.equal(loaded.net[0].weight, backbone.net[0].weight)


def test_records_name_the_repository(hub):
    push_to_hub(Backbone("test_resnet"), "me/net")
    scenes = Scenes(12, num_categories=2, image_size=32)
    records = run_suite(["hf-hub:me/net@v1"], {"scenes": (scenes, scenes)}, tasks=["knn"])
    (record,) = records
    assert (record.method, record.checkpoint) == ("net", "hf-hub:me/net@v1")


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_repositories_of_timm(name, hub, randomise):
    net = randomise(timm.create_model(name)).eval()
    folder = hub.root / "timm" / "net"
    folder.mkdir(parents=True)
    save_file(net.state_dict(), folder / "model.safetensors")
    config = {"input_size": [3, 160, 160], "mean": [0.5] * 3, "num_classes": 1000}
    config |= {"crop_pct": 0.95, "interpolation": "bicubic"}
    (folder / "config.json").write_text(
        json.dumps({"architecture": name, "pretrained_cfg": config})
    )
    backbone = open_backbone("hf-hub:timm/net").eval()
    net.reset_classifier(0)
    images = torch.randn(1, 3, 160, 160)
    with torch.no_grad():
        assert torch.equal(backbone(images), net(images))
    assert backbone.input == InputSpec(160, (0.5,) * 3, interpolation="bicubic", crop=0.95)
    assert backbone.about().method == "net"


def test_what_is_refused(hub, monkeypatch, tmp_path):
    backbone = Backbone("test_resnet")
    for call in (from_hub, lambda name: push_to_hub(backbone, name)):
        with pytest.raises(ValueError, match=r"`repo_id` must be the name of a repository such as"):
            call("hf-hub:me/net")
    with pytest.raises(TypeError, match="`source` must be a pretraining module"):
        push_to_hub(torch.nn.Linear(1, 1), "me/net")
    with pytest.raises(FileNotFoundError, match="`card` must be a file that is there"):
        push_to_hub(backbone, "me/net", card=tmp_path / "none.md")
    assert hub.calls == []  # all of it before anything is made
    (hub.root / "me/bare").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"with a file model\.safetensors, got 'me/bare'"):
        from_hub("me/bare")

    def unreachable(*arguments, **options):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(LocalEntryNotFoundError, match="no connection"):
        from_hub("me/net")


def test_an_export_of_0_1_0_can_be_pushed(hub):
    file = Path(__file__).parents[1] / "release_0_1_0" / "backbone.safetensors"
    push_to_hub(file, "me/old")
    told = describe_checkpoint(hub.root / "me/old/model.safetensors")
    assert told.method == describe_checkpoint(file).method
    assert re.fullmatch(r"Upload MoCoModule by instdisc \S+", hub.calls[-1][2])
