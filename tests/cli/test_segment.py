"""The command line of segmentation: every recipe builds, a run leaves what it promises."""

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

# pytorch-lightning 2.6's command line calls a method that newer jsonargparse renamed; not ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"
)

RECIPES = Path(instdisc.cli.__file__).parent / "recipes"
CONFIGS = sorted((RECIPES / "segmentation").glob("*.yaml"))
ONE_CPU = [
    *["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.strategy=auto"],
    *["--data.num_workers=0", "--trainer.sync_batchnorm=false"],
]
SCENES = [
    "--data.train=scenes",
    *["--data.crop_size=32", "--data.batch_size=2", "--model.width=8", "--trainer.max_steps=2"],
    *["--trainer.val_check_interval=2", "--trainer.limit_val_batches=3"],
    *["--trainer.num_sanity_val_steps=0", "--trainer.enable_progress_bar=false"],
    *["--trainer.log_every_n_steps=1", "--trainer.enable_model_summary=false"],
]


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("instdisc.cli.segment")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_recipes_build(path, script, tmp_path):
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for word in ("instdisc segment", "Expected:", "Cost:", "Batch:", path.stem):
        assert any(word in line for line in head), word
    given = yaml.safe_load(path.read_text())
    cli = script.make_cli(
        [
            *(f"--config={path}", "--model.backbone=test_resnet", "--data.train=scenes", *ONE_CPU),
            f"--trainer.default_root_dir={tmp_path}",
        ]
    )
    policy, model = cli.datamodule.policy, cli.model
    crop = given["data"]["crop_size"]
    assert policy.crop_size == (tuple(crop) if isinstance(crop, list) else (crop, crop))
    assert len(policy.photometric) == given["data"].get("distort", False)
    assert model.net.backbone.strides[-1] == given["model"]["output_stride"]
    assert (model.net.auxiliary_head is not None) == ("auxiliary" in given["model"])
    assert cli.trainer.max_steps == given["trainer"]["max_steps"]
    assert model.milestones == (0.7, 0.9)  # MoCo's 63k and 81k of 90k


def test_a_run_leaves_what_it_promises(script, tmp_path, capsys):
    file = export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors")
    run = tmp_path / "run"
    arguments = [*SCENES, *ONE_CPU, f"--trainer.default_root_dir={run}"]
    records = script.run([*arguments, f"--model.backbone={file}"])
    assert read_records(run / "results.jsonl") == records
    assert records[0].dataset == "scenes"
    assert records[0].method == "net"
    assert records[0].settings["steps"] == 2
    assert records[0].settings["crop_size"] == [32, 32]
    assert records[0].settings["milestones"] == [0.7, 0.9]
    assert records[0].architecture == "test_resnet"
    assert json.loads(records[0].to_json())["checkpoint"] == str(file)
    assert (run / "segments.png").stat().st_size > 1000
    assert (run / "config.yaml").exists()
    assert "segmentation mIoU" in capsys.readouterr().out
    again = script.run([*arguments, f"--model.backbone={file}", "--ckpt_path=last"])
    assert again == records == read_records(run / "results.jsonl")  # it had ended
    assert [file.stem for file in (run / "predictions").iterdir()] == [records[0].job]


def test_a_killed_run_goes_on_as_if_it_had_not_been(script, tmp_path):
    def run(name, *more, stop=None):
        folder = tmp_path / name
        cli = script.make_cli(
            [
                *(*SCENES, *ONE_CPU, f"--trainer.default_root_dir={folder}", "--data.distort=true"),
                *("--model.backbone=test_resnet", "--trainer.logger=false"),
                *("--trainer.max_steps=4", "--trainer.limit_val_batches=0"),
                *("--trainer.callbacks=ModelCheckpoint", "--trainer.callbacks.save_last=link"),
                f"--trainer.callbacks.dirpath={folder / 'checkpoints'}",
                *("--trainer.callbacks.every_n_train_steps=2", *more),
            ]
        )
        if stop is not None:
            cli.model.on_train_batch_end = lambda *_: 1 / (cli.trainer.global_step != stop)
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=cli.config.ckpt_path)
        return cli.model.state_dict()

    whole = run("whole")
    with pytest.raises(ZeroDivisionError):
        run("killed", stop=3)
    resumed = run("killed", "--ckpt_path=last")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in resumed.items())
    with pytest.raises(SystemExit):
        run("killed")
