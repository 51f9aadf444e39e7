"""The few-shot script and its rows in the benchmark."""

import argparse
import importlib.util
import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def arguments(tmp_path):
    generator = np.random.default_rng(0)
    for label in ("ant", "bee", "cat"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(9):
            pixels = generator.integers(0, 256, (36, 36, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{number}.png")
    paths = []
    for name in ("a", "b"):
        path = export_backbone(Backbone("test_resnet"), tmp_path / name / "backbone.safetensors")
        paths += ["--checkpoint", str(path)]
    return [
        *paths,
        *("--images", str(tmp_path / "set"), "--image-size", "32", "--device", "cpu"),
        *("--ways", "2", "--queries", "4", "--episodes", "3", "--out", str(tmp_path / "out")),
    ]


def test_few_shot(arguments, tmp_path, capsys):
    script = load("few_shot")
    records = script.main([*arguments, "--shots", "1", "5", "--classifiers", "logistic", "cosine"])
    assert [record.method for record in records] == ["a/backbone"] * 4 + ["b/backbone"] * 4
    assert [record.settings["shots"] for record in records] == [1, 5] * 4
    assert "3 episodes" in capsys.readouterr().out
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == [r.value for r in records]
    # The list is there now and is used again.
    again = script.main([*arguments, "--shots", "5", "--classifiers", "logistic"])
    assert [r.value for r in again] == [records[1].value, records[5].value]
    with pytest.raises(ValueError, match="holds 3 episodes of seed 0: give these"):
        script.main([*arguments, "--shots", "5", "--seed", "1"])


def test_fine_tuning(arguments, monkeypatch):
    script = load("few_shot")
    defaults = inspect.unwrap(script.finetune_few_shot).__kwdefaults__
    monkeypatch.setitem(defaults, "recipe", defaults["recipe"]._replace(epochs=1))
    records = script.main([*arguments, "--shots", "2", "--classifiers", "finetune"])
    assert [record.metric for record in records] == ["2-way 2-shot fine-tuned"] * 2


def test_small_classes_are_named(arguments):
    with pytest.raises(ValueError, match=r"'ant' \(9\), 'bee' \(9\), 'cat' \(9\)"):
        load("few_shot").main([*arguments, "--protocol", "bscd_fsl"])


@pytest.mark.parametrize("shots", [1, 20])
def test_rows_of_the_benchmark_agree(shots):
    options = argparse.Namespace(episodes=12, device="cpu")
    contenders = load("benchmarks/transfer").few_shot(options, shots)
    assert [call() for call in contenders.values()] == [None] * 3
