"""Killed three times, a run goes on each time with another batch size, worker number and rate."""

import importlib
import json
import math
import multiprocessing
import os
import signal
import sys
from collections import Counter

import pytest
from pytorch_lightning import Callback

from instdisc.checkpoint import newest_checkpoint
from instdisc.checkpoint.wholeness import read_plain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
]
NUM_IMAGES, EPOCHS = 60, 3
CONFIG = f"""
model:
  class_path: instdisc.MoCoModule
  init_args: {{backbone: test_resnet, queue_size: 64, batch_norm_groups: 1}}
data:
  images:
    class_path: instdisc.Scenes
    init_args: {{num_images: {NUM_IMAGES}, image_size: 32}}
  image_size: 32
trainer:
  accelerator: cpu
  max_epochs: {EPOCHS}
  enable_progress_bar: false
  callbacks:
    class_path: instdisc.callbacks.NewestCheckpoint
    init_args: {{every_n_train_steps: 2}}
"""
SEGMENTS = [  # batch size, workers, learning rate, the step before which it is killed
    (4, 0, 0.04, 9),
    (5, 1, 0.02, 18),
    (12, 2, 0.03, 23),
    (6, 0, 0.01, None),
]


class Recorder(Callback):
    """Writes what each step saw and its rate; kills the process before a step."""

    def __init__(self, path, die_at):
        self.path, self.die_at = path, die_at

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.step, self.rate = trainer.global_step, optimizer.param_groups[0]["lr"]

    def on_train_batch_end(self, trainer, module, outputs, batch, _):
        with self.path.open("a") as file:
            line = [self.step, trainer.current_epoch, self.rate, batch[2].tolist()]
            file.write(json.dumps(line) + "\n")


def train(args, path, die_at):
    sys.argv = ["pretrain.py"]
    cli = importlib.import_module("instdisc.cli.pretrain").make_cli(args)
    cli.trainer.callbacks.insert(0, Recorder(path, die_at))
    cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=cli.start())


def test_killed_three_times_with_changes(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    run = tmp_path / "run"
    kept = []  # what counts: of the steps up to the checkpoint that the next one goes on from
    for number, (batch_size, workers, rate, die_at) in enumerate(SEGMENTS):
        args = [
            *[f"--config={tmp_path / 'config.yaml'}", f"--trainer.default_root_dir={run}"],
            *[f"--data.batch_size={batch_size}", f"--data.num_workers={workers}"],
            *[f"--model.learning_rate={rate}", *(["--ckpt_path=last"] if number else [])],
        ]
        path = tmp_path / f"{number}.jsonl"
        process = multiprocessing.get_context("fork").Process(
            target=train, args=(args, path, die_at)
        )
        process.start()
        process.join(120)
        assert process.exitcode == (0 if die_at is None else -signal.SIGKILL)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        # The rate follows the share of the images that were seen, of the run as now configured.
        seen, epoch = sum(len(line[3]) for line in kept), lines[0][1]
        left = NUM_IMAGES - sum(len(line[3]) for line in kept if line[1] == epoch)
        epochs = [left, *[NUM_IMAGES] * (EPOCHS - 1 - epoch)]
        whole = seen + sum(images // batch_size * batch_size for images in epochs)
        for line in lines:
            expected = rate * (1 + math.cos(math.pi * seen / whole)) / 2
            assert line[2] == pytest.approx(expected, rel=1e-6)
            seen += len(line[3])
        if die_at is not None:
            done = read_plain(newest_checkpoint(run / "checkpoints"))["global_step"]
            assert die_at - 2 <= done <= die_at
            lines = [line for line in lines if line[0] < done]
        kept += lines
    assert [line[0] for line in kept] == list(range(len(kept)))
    for epoch in range(EPOCHS):
        images = Counter(index for line in kept if line[1] == epoch for index in line[3])
        assert set(images.values()) == {1}
        assert len(images) > NUM_IMAGES - 12  # but for an incomplete last batch
    assert sorted(os.listdir(run / "checkpoints"))[1:] == ["last.ckpt"]
