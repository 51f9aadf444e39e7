"""An address in the place of a folder."""

from pathlib import Path

import fsspec
import pytest
import torch

from instdisc import Scenes
from instdisc.cli import main
from instdisc.data import (
    HeldOut,
    StreamedShards,
    ViewData,
    kinds_of,
    open_images,
    open_path,
    open_set,
    write_shards,
)
from instdisc.data.sets import LAYOUTS
from instdisc.transfer.suite.asked import read_asked


@pytest.fixture
def address(tmp_path, monkeypatch):
    """A set with parts, in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for part, count in (("train", 40), ("test", 12)):
        scenes = Scenes(count, image_size=32, num_categories=2)
        write_shards(scenes, tmp_path / "set" / part, images_per_shard=10, index=False)
    files = fsspec.filesystem("memory")
    files.put(str(tmp_path / "set"), "/test_opening/set", recursive=True)
    yield "memory://test_opening/set"
    files.rm("/test_opening", recursive=True)


def test_parts_of_a_set(address):
    assert kinds_of(address, None, LAYOUTS) == ["images"]
    assert [len(open_images(address, part=part)) for part in ("train", "test", "all")] == [
        *(40, 12, 52)
    ]
    assert open_images(f"pets={address}", part="test").name == "pets"
    assert len(open_set("images", f"{address}/train", part="train")) == 28  # drawn


def test_it_goes_where_a_folder_does(address):
    for written in (f"{address}/train", Path(f"{address}/train")):
        assert isinstance(open_path(written), StreamedShards)
        assert len(HeldOut(written, "train")) == 36
    data = ViewData(f"{address}/train", f"{address}/test", image_size=32, batch_size=8)
    indices = torch.cat([batch.indices for batch in data.train_dataloader()])
    assert sorted(indices.tolist()) == list(range(40))
    with pytest.raises(FileNotFoundError, match="`images` must be .* no memory://test_opening/x"):
        ViewData("memory://test_opening/x")


@pytest.mark.parametrize(
    ("text", "name", "sources"),
    [
        ("s3://b/x", "", ["s3://b/x"]),
        ("pets=s3://b/x", "", ["pets=s3://b/x"]),
        ("pets=s3://b/x:s3://b/y", "pets", ["s3://b/x", "s3://b/y"]),
        ("pets=https://h:80/x=1:a:gs://c", "pets", ["https://h:80/x=1", "a", "gs://c"]),
    ],
)
def test_what_a_suite_is_asked_for(text, name, sources, tmp_path):
    (asked,) = read_asked("", text, tmp_path)
    assert (asked.name, [images.source for images in asked.images]) == (name, sources)


@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")
def test_pretraining_from_an_address_alone(address, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--data.num_workers=0"]
    assert main(["pretrain", address, *few, "--model.backbone=test_resnet"]) == 0
    assert "kNN is not measured" in capsys.readouterr().out
    assert (tmp_path / "runs" / "set" / "checkpoints" / "backbone.safetensors").exists()
