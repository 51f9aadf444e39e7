"""The script that trains detectors, and its recipes."""

import importlib
import json
from pathlib import Path

import pytest
import torch
import yaml

import instdisc.cli
from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone
from instdisc.report import read_records
from instdisc.transfer import load_detector

# pytorch-lightning 2.6's command line calls a method that newer jsonargparse renamed; not ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"
)

RECIPES = Path(instdisc.cli.__file__).parent / "recipes"
CONFIGS = sorted((RECIPES / "detection").glob("*.yaml"))


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("instdisc.cli.detect")


def small(folder, *more):
    return [
        *("--data.train", "scenes", "--global_batch", "1", "--data.iterations", "2"),
        *("--data.policy", "instdisc.data.ObjectPolicy", "--data.policy.short_sides", "[64]"),
        *("--model.norm", "plain", "--model.regions_per_image", "8", "--model.warmup", "1"),
        *("--model.milestones", "[1]", "--model.precise_batches", "1"),
        *("--trainer.accelerator", "cpu", "--trainer.default_root_dir", str(folder)),
        *("--trainer.limit_val_batches", "2", "--trainer.enable_progress_bar", "false"),
        *more,
    ]


@pytest.mark.filterwarnings("ignore:`Trainer` was configured with")
def test_a_checkpoint_is_fine_tuned(script, tmp_path, capsys):
    file = export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors")
    run = tmp_path / "run"
    arguments = small(
        run, "--model.backbone", str(file), "--linear_rule_from", "2", "--method", "mine"
    )
    records = script.run(arguments)
    shown = capsys.readouterr().out
    assert "Linear rule: DetectionRecipe(iterations=2, batch_size=2" in shown
    assert "becomes DetectionRecipe(iterations=4, batch_size=1, learning_rate=0.01" in shown
    assert "box AP75" in shown
    assert read_records(run / "results.jsonl") == records
    assert records[0].settings["iterations"] == 4
    assert (records[0].method, records[0].checkpoint) == ("mine", str(file))
    assert (records[0].n, records[0].settings["precision"]) == (2, "32-true")
    assert json.loads((run / "detections.json").read_text()) is not None
    assert len(list((run / "pictures").iterdir())) == 2
    assert load_detector(run / "detector.pt").detector.spec["num_classes"] == 10
    assert (run / "config.yaml").exists()

    with pytest.raises(SystemExit):  # the folder is taken
        script.make_cli(arguments)
    assert "--ckpt_path last" in capsys.readouterr().err
    assert script.run([*arguments, "--ckpt_path", "last"]) == records  # it had ended
    assert read_records(run / "results.jsonl") == records
    assert [file.stem for file in (run / "predictions").iterdir()] == [records[0].job]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_recipe_is_read(config, script, tmp_path):
    content = config.read_text()
    assert f"--config detection/{config.stem}" in content
    assert "Expected" in content
    assert "Cost" in content or "cost" in content
    settings = yaml.safe_load(content)
    assert settings["model"]["milestones"][-1] < settings["data"]["iterations"]
    with_masks = settings["model"]["masks"]
    cli = script.make_cli(
        [
            *("--config", str(config), "--data.train", "scenes", "--data.num_workers", "0"),
            *("--model.backbone", "test_resnet", "--trainer.accelerator", "cpu"),
            *("--trainer.devices", "1", "--trainer.strategy", "auto"),
            *("--trainer.default_root_dir", str(tmp_path)),
        ]
    )
    assert cli.model.detector.spec["masks"] == with_masks
    assert cli.model.detector.spec["neck"] == settings["model"]["neck"]
    assert cli.datamodule.iterations == settings["data"]["iterations"]
    assert cli.model.learning_rate == settings["model"]["learning_rate"]  # nothing follows


def test_published_numbers_of_the_recipes():
    def read(name):
        content = yaml.safe_load((RECIPES / f"detection/{name}.yaml").read_text())
        data, model = content["data"], content["model"]
        batch = content.get("global_batch", data.get("batch_size"))
        return batch, data["iterations"], model["learning_rate"], tuple(model["milestones"])

    assert read("voc07") == (16, 9000, 0.02, (6000, 8000))
    assert read("voc0712") == (16, 24000, 0.02, (18000, 22000))
    assert read("coco_1x") == (16, 90000, 0.02, (60000, 80000))
    assert read("coco_2x") == (16, 180000, 0.02, (120000, 160000))
    assert read("ssl_transfer_voc0712_fpn")[:3] == (2, 144000, 0.0025)


def test_a_recipe_counts_steps_whatever_their_parts(script, tmp_path):
    cli = script.make_cli(
        [
            *small(tmp_path, "--model.backbone", "test_resnet"),
            *("--global_batch", "4", "--data.batch_size", "2", "--data.iterations", "10"),
        ]
    )
    assert cli.trainer.accumulate_grad_batches == 2
    assert len(cli.datamodule.train_dataloader()) == 20  # 10 steps
    assert cli.model.learning_rate == 0.02


@pytest.mark.slow
def test_pennfudan(script, tmp_path, real_data):
    folder = real_data("pennfudan")
    arguments = small(tmp_path, "--model.backbone", "test_resnet", "--model.masks", "true")
    records = script.run([*arguments, "--data.train", str(folder)])
    assert {"box AP", "mask AP", "mask AP, person"} <= {record.metric for record in records}
    assert records[0].dataset == "pennfudan"
    assert torch.tensor([record.value for record in records]).isfinite().all()
