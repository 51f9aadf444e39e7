"""The script that runs the suite."""

import importlib

import pytest
import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone
from instdisc.records import read_records


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
    listed = option("few_shot.classifier=[logistic, cosine]")
    assert listed == ("few_shot", "classifier", ["logistic", "cosine"])
    assert option("few_shot.episodes_file=[1") == ("few_shot", "episodes_file", "[1")


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Folders to train and to test on, whose noise tells the classes apart; a checkpoint."""
    root = tmp_path_factory.mktemp("noise")
    for part in ("train", "test"):
        for label in ("calm", "wild"):
            (root / part / label).mkdir(parents=True)
            for number in range(10):
                image = Image.effect_noise((32, 32), 20 + 80 * (label == "wild")).convert("RGB")
                image.save(root / part / label / f"{number}.png")
    export_backbone(Backbone("test_resnet"), root / "one.safetensors")
    return root


def test_linear_protocols_on_separate_folders(script, noise, tmp_path, capsys):
    file = str(noise / "one.safetensors")
    records = script.run(
        [
            *("--checkpoint", file, "--data-root", str(noise)),
            *("--data", f"noise=train:{noise}/test", "--image-size", "32", "--device", "cpu"),
            *("--tasks", "linear_grid", "moco_linear", "readout", "stages"),
            *("--set", "linear_grid.epochs=1", "linear_grid.tune_epochs=1", "moco_linear.epochs=1"),
            *("--out", str(tmp_path)),
        ]
    )
    assert {(record.method, record.checkpoint) for record in records} == {("one", file)}
    assert {record.dataset for record in records} == {"noise"}
    assert {record.n for record in records if record.metric == "top-1"} == {20}
    tasks = {"linear_grid", "moco_linear", "readout", "stage1_knn", "stage4_readout"}
    assert tasks <= {record.task for record in records}
    assert [r.value for r in read_records(tmp_path / "results.jsonl")] == [r.value for r in records]
    shown = " ".join(capsys.readouterr().out.split())
    assert "linear_grid on noise with one: learning rate" in shown
    assert "the best of 12 (" in shown
    assert "% of the validation images)" in shown


def test_few_labels_and_last_stages(script, noise, tmp_path, capsys):
    """Islam et al.'s grid, on half of the labels, with the last stage alone trained."""
    records = script.run(
        [
            *("--checkpoint", str(noise / "one.safetensors"), "--data-root", str(noise.parent)),
            *("--data", noise.name, "--tasks", "finetune", "--image-size", "32"),
            *("--set", "finetune.share=0.5", "finetune.tune_epochs=1", "finetune.epochs=1"),
            *("finetune.last_stages=1", "--device", "cpu", "--out", str(tmp_path)),
        ]
    )
    settings = records[0].settings
    assert (len(settings["grid"]), settings["train"], settings["last_stages"]) == (12, 10, 1)
    shown = " ".join(capsys.readouterr().out.split())
    assert "top-1, best epoch" in shown
    assert "finetune on" in shown


def test_base_and_novel_classes(script, noise, tmp_path, capsys):
    for number, label in enumerate(("dots", "bars")):
        (tmp_path / "novel" / label).mkdir(parents=True)
        for row in range(6):
            image = Image.new("RGB", (32, 32), (100 * number + 9 * row, 50, 50))
            image.save(tmp_path / "novel" / label / f"{row}.png")
    records = script.run(
        [
            *("--checkpoint", str(noise / "one.safetensors"), "--data-root", str(noise)),
            *("--data", f"mine=train:test:{tmp_path}/novel", "--tasks", "base_and_novel"),
            *("--image-size", "32", "--device", "cpu"),
            *("--set", "base_and_novel.ways=2", "base_and_novel.queries=2"),
            *("base_and_novel.episodes=3", "base_and_novel.shots=[1]"),
            *("--out", str(tmp_path / "out")),
        ]
    )
    assert [(r.dataset, r.metric) for r in records] == [
        ("mine base", "top-1"),
        ("mine novel", "2-way 1-shot logistic"),
    ]
    assert "mine novel" in capsys.readouterr().out


def test_data_of_a_wrong_form(script, noise, tmp_path):
    with pytest.raises(ValueError, match="`data_sets` must be named, with two or three sets"):
        script.run(
            [
                *("--checkpoint", str(noise / "one.safetensors"), "--data", "train:test"),
                *("--out", str(tmp_path)),
            ]
        )
