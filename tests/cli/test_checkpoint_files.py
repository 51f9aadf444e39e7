"""A checkpoint that is not there, or is none, is told before anything is computed."""

import pytest
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.cli import main
from instdisc.cli.checkpoint_files import absent_file, refuse_absent
from instdisc.models import Backbone
from instdisc.transfer.suite.subjects import find_subjects

TEXTS = {
    "net.safetensors": None,
    "net.safetensors:test_resnet": None,
    "MoCo=net.safetensors": None,
    "MoCo=net.safetensors:test_resnet": None,
    "a=b.safetensors": None,  # a file of that name
    "random:test_resnet": None,
    "weak=random:test_resnet": None,
    "none.safetensors": "none.safetensors",
    "MoCo=none.safetensors": "none.safetensors",
    "none.pt:resnet50": "none.pt:resnet50",
    "a=b=c.pt": "b=c.pt",
    "timm": "timm",  # of which model?
    ".": ".",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("net", "a=b"):
        export_backbone(Backbone("test_resnet"), tmp_path / f"{name}.safetensors")
    return tmp_path


@pytest.mark.parametrize(("text", "absent"), TEXTS.items())
def test_it_is_what_the_suite_would_miss(here, text, absent):
    missed = []
    find_subjects([text, "random:test_resnet"], 0, lambda what, why: missed.append(what))
    assert absent_file(text) == absent
    assert missed == ([] if absent is None else [f"the checkpoint {absent}"])


def test_addresses_are_no_files():
    assert absent_file("timm:resnet50") is absent_file("b=hf-hub:me/net") is None
    assert absent_file("random") is absent_file("weak=random") is None


def test_every_absent_file_is_named_with_what_was_meant(here):
    message = "a file that is there, got 'nett.safetensors', 'b.pt'. Did you mean net.safetensors?"
    with pytest.raises(FileNotFoundError, match=message):
        refuse_absent(["random", "nett.safetensors", "net.safetensors", "b.pt"])


@pytest.mark.parametrize("by", ["words", "file"])
def test_an_absent_one_ends_the_command_unless_it_may_be_missing(here, capsys, by):
    checkpoints = ["--checkpoint=random:test_resnet", "--checkpoint", "two=none.pt"]
    if by == "file":
        (here / "mine.yaml").write_text("checkpoint: [random:test_resnet, two=none.pt]")
        checkpoints = ["--config", "mine.yaml"]
    for number in range(8):
        place = here / "pets" / "cd"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (30 * number,) * 3).save(place)
    options = [*checkpoints, "--data", "pets", "--tasks", "knn"]
    options += ["--image-size=8", "--set", "knn.k=2", "--out", "out"]
    assert main(["transfer", *options]) == 1
    assert "got 'none.pt'. With --allow-missing the others go on" in capsys.readouterr().err
    assert not (here / "out").exists()
    if by == "words":
        assert main(["transfer", *options, "--allow-missing"]) == 0
        assert "missing: the checkpoint none.pt" in capsys.readouterr().out
        assert (here / "out" / "results.jsonl").is_file()


def test_one_that_is_none_ends_the_command(here, capsys):
    (here / "page.pt").write_text("<!DOCTYPE html>")
    checkpoints = ["--checkpoint=net.safetensors", "--checkpoint", "two=page.pt", "--allow-missing"]
    options = ["--data", "scenes", "--tasks", "knn", "--out", "out"]
    assert main(["transfer", *checkpoints, *options]) == 1
    shown = capsys.readouterr().err
    assert "page.pt cannot be read: it was truncated or damaged, or is no checkpoint (" in shown
    assert "weights_only" not in shown
    assert not (here / "out").exists()
