"""The script of linear evaluation, by each protocol."""

import importlib.util
import json
from pathlib import Path

import pytest
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "linear.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("linear", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images whose noise tells the classes apart, and two checkpoints."""
    root = tmp_path_factory.mktemp("noise")
    for split in ("train", "test"):
        for label in ("calm", "wild"):
            (root / split / label).mkdir(parents=True)
            for number in range(10):
                image = Image.effect_noise((32, 32), 20 + 80 * (label == "wild")).convert("RGB")
                image.save(root / split / label / f"{number}.png")
    for name in ("one", "two"):
        export_backbone(Backbone("test_resnet"), root / f"{name}.safetensors")
    return root


@pytest.mark.parametrize("protocol", ["grid", "moco", "readout", "stages"])
def test_linear(script, folder, tmp_path, capsys, protocol):
    checkpoints = [str(folder / f"{name}.safetensors") for name in ("one", "two")]
    records = script.main(
        [
            *("--train", str(folder / "train"), "--test", str(folder / "test")),
            *("--checkpoint", checkpoints[0], "--checkpoint", checkpoints[1]),
            *("--protocol", protocol, "--image-size", "32", "--device", "cpu"),
            *("--epochs", "1", "--tune-epochs", "1", "--out", str(tmp_path)),
            *("--dataset", "noise"),
        ]
    )
    assert {record.method for record in records} == {"one", "two"}
    assert {record.checkpoint for record in records} == set(checkpoints)
    assert {record.dataset for record in records} == {"noise"}
    assert "top-1" in capsys.readouterr().out
    lines = (tmp_path / "linear.jsonl").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == [r.value for r in records]


def test_random_backbone_and_names(script, folder, tmp_path):
    arguments = [
        *(
            "--train",
            str(folder / "train"),
            "--test",
            str(folder / "test"),
            "--protocol",
            "readout",
        ),
        *("--backbone", "test_resnet", "--image-size", "32", "--out", str(tmp_path)),
    ]
    first = script.main(arguments)
    assert {record.method for record in first} == {"random"}
    assert [r.value for r in script.main(arguments)] == [r.value for r in first]
    twice = [str(folder / "one.safetensors"), str(folder / "train/../one.safetensors")]
    options = script.parse_arguments(
        [*("--train", "a", "--test", "a"), *(f"--checkpoint={path}" for path in twice)]
    )
    assert [name for name, _ in script.backbones(options)] == twice


def test_parts_of_one_set(script, folder, tmp_path):
    records = script.main(
        [
            *("--data-root", str(folder.parent), "--train", folder.name, "--test", folder.name),
            *("--protocol", "readout", "--backbone", "test_resnet", "--image-size", "32"),
            *("--out", str(tmp_path)),
        ]
    )
    assert {(record.dataset, record.n) for record in records} == {(folder.name, 20)}
