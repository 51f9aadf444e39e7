"""The script that fine-tunes."""

import importlib.util
from pathlib import Path

import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone
from instdisc.report import read_records

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "finetune.py"


def test_finetune(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("finetune", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for label in ("ant", "bee"):
        (tmp_path / "insects" / label).mkdir(parents=True)
        for number in range(20):
            grey = int(torch.randint(0, 100, ()) + 100 * (label == "bee"))
            path = tmp_path / "insects" / label / f"{number}.png"
            Image.new("RGB", (32, 32), (grey, grey, 9)).save(path)
    file = export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors")
    records = script.main(
        [
            *(str(file), "insects", "--data-root", str(tmp_path), "--image-size", "32"),
            *("--tune-epochs", "1", "--epochs", "1", "--last-stages", "1", "--share", "0.5"),
            *("--accelerator", "cpu", "--out", str(tmp_path / "results.jsonl")),
        ]
    )
    assert len(records[0].settings["grid"]) == 12
    assert records[0].settings["train"] == 14
    assert records[0].settings["last_stages"] == 1
    assert read_records(tmp_path / "results.jsonl") == records
    shown = capsys.readouterr().out
    assert "top-1, best epoch" in shown
    assert "100%" in shown
