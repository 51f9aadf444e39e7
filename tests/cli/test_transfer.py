"""The script that runs the suite."""

import importlib

import pytest
import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("instdisc.cli.transfer")


@pytest.fixture
def arguments(tmp_path):
    for label in ("ant", "bee"):
        (tmp_path / "data" / "insects" / label).mkdir(parents=True)
        for number in range(8):
            grey = int(torch.randint(0, 100, ()) + 100 * (label == "bee"))
            path = tmp_path / "data" / "insects" / label / f"{number}.png"
            Image.new("RGB", (32, 32), (grey, grey, 9)).save(path)
    file = export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors")
    return [
        *("--checkpoint", f"mine={file}", "--checkpoint", "random"),
        *("--data-root", str(tmp_path / "data"), "--data", "insects", "wasps"),
        *("--tasks", "knn", "finetune", "--image-size", "32", "--out", str(tmp_path / "out")),
        *("--set", "finetune.epochs=1", "finetune.grid=[[0.01, 4, 0]]"),
    ]


def test_suite(script, arguments, capsys, caplog, tmp_path):
    records = script.run(arguments)
    assert len(records) == 2 * (1 + 8)
    shown = capsys.readouterr().out
    for text in ("4/4", "insects", "mine", "random", "finetune", "±"):
        assert text in shown
    assert "skipped knn on wasps" in caplog.text
    assert [missing.what for missing in records.missing] == ["knn on wasps", "finetune on wasps"]
    assert "missing: knn on wasps" in shown.replace("\n", " ")
    for suffix in ("md", "csv", "tex"):
        assert "insects" in (tmp_path / "out" / f"table.{suffix}").read_text()
    assert script.run(arguments) == records
    assert "0/0" in capsys.readouterr().out
    assert script.run([*arguments, "--allow-missing"]).missing == []


@pytest.mark.parametrize("bad", ["finetune", "finetune.epochs", "epochs=1", "finetune.=1"])
def test_bad_setting(script, arguments, bad, capsys):
    with pytest.raises(SystemExit):
        script.run([*arguments, "--set", bad])
    assert f"must be TASK.OPTION=JSON, got {bad!r}" in capsys.readouterr().err


def test_setting_without_quotes():
    from instdisc.cli.suite_arguments import option

    assert option("few_shot.classifier=cosine") == ("few_shot", "classifier", "cosine")
    assert option("finetune.epochs=3") == ("finetune", "epochs", 3)
