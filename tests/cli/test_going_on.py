"""Runs of the command line that go on: after a kill at the worst moment, and with changes."""

import importlib
import io
import logging
import os

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from instdisc.callbacks import NewestCheckpoint

# pytorch-lightning 2.6's command line calls a method that newer jsonargparse renamed; not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The newest whole checkpoint is"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks"),
]
SCENES = """
model:
  class_path: instdisc.MoCoModule
  init_args: {backbone: test_resnet, queue_size: 64, batch_norm_groups: 2}
data:
  images: {class_path: instdisc.Scenes, init_args: {num_images: 32, image_size: 32}}
  image_size: 32
  batch_size: 8
trainer: {accelerator: cpu, max_epochs: 1, log_every_n_steps: 1, enable_progress_bar: false}
"""


@pytest.fixture
def pretrain(tmp_path):
    """Runs pretrain.py in one folder, with more options."""
    (tmp_path / "scenes.yaml").write_text(SCENES)
    script = importlib.import_module("instdisc.cli.pretrain")
    given = [f"--config={tmp_path / 'scenes.yaml'}", f"--trainer.default_root_dir={tmp_path}"]
    return lambda *options: script.run([*given, *options])


THEIRS = [
    "--trainer.callbacks+=ModelCheckpoint",
    "--trainer.callbacks.save_last=true",
    "--trainer.callbacks.save_top_k=-1",
]


@pytest.mark.parametrize(
    ("keeper", "left"),
    [
        ([], "nothing"),
        ([], "dangling"),
        (THEIRS, "half"),
        (THEIRS, "nothing"),
    ],
    ids=["ours-nothing", "ours-dangling", "theirs-half", "theirs-nothing"],
)
def test_last_goes_on_from_the_newest_whole_one(left, keeper, pretrain, tmp_path, capsys):
    pretrain(*keeper)
    last = tmp_path / "checkpoints" / "last.ckpt"
    content = last.read_bytes()
    last.unlink()
    if left == "half":
        last.write_bytes(content[: len(content) // 2])
    if left == "dangling":
        os.symlink("epoch=7-step=9.ckpt", last)
    cli = pretrain("--ckpt_path=last", "--trainer.max_epochs=2", *keeper)
    assert cli.trainer.global_step == 8
    assert cli.trainer.ckpt_path == str(tmp_path / "checkpoints" / "epoch=0-step=4.ckpt")
    assert "Going on from" in capsys.readouterr().out
    assert torch.load(last)["global_step"] == 8


def test_none_whole_is_an_error_that_names_them(pretrain, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"one with a whole checkpoint.*last.ckpt: it was cut sh"):
        pretrain("--ckpt_path=last")


@pytest.mark.filterwarnings("ignore:.fit.ckpt_path=.last.. is set, but there is no last check")
def test_last_begins_where_nothing_was_written_yet(pretrain, capsys):
    assert pretrain("--ckpt_path=last").trainer.global_step == 4


def test_what_changed_is_said(pretrain, capsys):
    pretrain()
    capsys.readouterr()
    cli = pretrain(
        "--ckpt_path=last", "--trainer.max_epochs=2", "--data.batch_size=16", "--data.max_bank=4"
    )
    said = "".join(line for line in capsys.readouterr().out.splitlines() if "Going on" in line)
    assert said.endswith("Changed since: data.max_bank None -> 4.")  # the run says the rest
    assert cli.trainer.global_step == 6


def test_a_run_that_ended_between_two_checkpoints_grows(pretrain, tmp_path):
    every = ["--trainer.callbacks+=instdisc.callbacks.NewestCheckpoint"]
    every += ["--trainer.callbacks.every_n_train_steps=3"]
    pretrain(*every)
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 4
    cli = pretrain(*every, "--ckpt_path=last", "--trainer.max_epochs=3")
    assert (cli.trainer.global_step, cli.trainer.current_epoch) == (12, 3)
    assert int(cli.model.objectives["contrast"].queue.pushed) == 3 * 32


def test_changed_settings(tmp_path):
    changed_settings = importlib.import_module("instdisc.cli.going_on").changed_settings
    written = tmp_path / "config.yaml"
    settings = {
        "model": {"class_path": "A", "init_args": {"rate": 0.1, "backbone": {"name": "a"}}},
        "ckpt_path": None,
    }
    assert changed_settings(written, settings) == []  # there is none
    written.write_text("model: {class_path: A, init_args: {rate: 0.2, old: 1}}\nckpt_path: last")
    assert changed_settings(written, settings) == [
        *["model.backbone.name None -> a", "model.old 1 -> None", "model.rate 0.2 -> 0.1"]
    ]
    written.write_text("[1, {")
    assert changed_settings(written, settings) == []


def test_keeper_of_ones_own(pretrain, tmp_path):
    cli = pretrain(*THEIRS)
    (keeper,) = [c for c in cli.trainer.callbacks if isinstance(c, ModelCheckpoint)]
    assert not isinstance(keeper, NewestCheckpoint)


def test_the_start_of_a_run_is_plain(pretrain, capsys):
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    log = logging.getLogger("pytorch_lightning")
    log.addHandler(handler)
    try:
        pretrain("--trainer.enable_progress_bar=true")
    finally:
        log.removeHandler(handler)
    shown = capsys.readouterr().out + lines.getvalue()
    for unwanted in ("FLOPs", "litlogger", "litmodels", "v_num", "already configured"):
        assert unwanted not in shown
    assert "parameters are trained" in " ".join(shown.split())
    assert "GPU available" in shown  # what Lightning says otherwise stays
