"""The script that looks inside checkpoints."""

import importlib

import pytest
import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone
from instdisc.transfer import read_predictions


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("instdisc.cli.analyse")


@pytest.fixture
def arguments(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for label in ("ant", "bee", "cow"):
        folder = tmp_path / "data" / "animals" / label
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = torch.randint(0, 256, (32, 32, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    torch.manual_seed(0)
    file = export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors")
    return [
        *("--checkpoint", f"mine={file}", "--checkpoint", "random"),
        *("--data-root", str(tmp_path / "data"), "--data", "animals"),
        *("--image-size", "32", "--out", str(tmp_path / "out")),
    ]


def test_records_table_and_figures(script, arguments, tmp_path, capsys):
    settings = ["--set", "cka.batch_size=6", "neighbours.k=3", "neighbours.num_queries=2"]
    asked = [*arguments, "--analyses", "cka", "neighbours", *settings]
    records = script.run(asked)
    assert not records.missing
    drawn = {file.name for file in (tmp_path / "out" / "figures").iterdir()}
    assert drawn == {f"animals_{name}.png" for name in ("cka", "similarity", "neighbours")}
    assert (tmp_path / "out" / "table.md").is_file()
    lines = (tmp_path / "out" / "results.jsonl").read_text()
    capsys.readouterr()
    assert script.run(asked) == records  # nothing is computed again
    assert (tmp_path / "out" / "results.jsonl").read_text() == lines
    assert "figures:" in capsys.readouterr().out


def test_without_thumbnails_no_image_is_kept(script, arguments):
    settings = ["--set", "neighbours.k=3", "neighbours.num_queries=2"]
    asked = [*arguments, "--analyses", "neighbours", *settings, "--no-thumbnails"]
    (entry,) = script.run(asked).kept
    arrays = read_predictions(entry.path)
    assert not any(array.dtype == "uint8" and array.size for array in arrays.values())


def test_what_the_set_cannot_serve_is_missing(script, arguments, capsys):
    records = script.run([*arguments, "--analyses", "detection_errors"])
    assert "it needs objects" in records.missing[0].why
    assert "missing" in capsys.readouterr().out
    records = script.run([*arguments, "--analyses", "factors", "--allow-missing"])
    assert not records.missing
    assert "factors" in capsys.readouterr().out


def test_no_such_analysis(script, arguments, capsys):
    with pytest.raises(SystemExit):
        script.run([*arguments, "--analyses", "ckas"])
    assert "invalid choice: 'ckas'" in capsys.readouterr().err
