"""Batches that batch norm's groups or the queue cannot follow are refused before the first step."""

from contextlib import suppress

import pytest
import pytorch_lightning as pl

import instdisc

pytestmark = [
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero"),
]


class Stop(Exception):
    pass


class StopAt(pl.Callback):
    def __init__(self, path, step):
        self.path, self.step = path, step

    def on_train_batch_end(self, trainer, *rest):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            raise Stop


def run(batch_size, *callbacks, ckpt_path=None, **settings):
    module = instdisc.MoCoModule(
        "test_resnet", **{"queue_size": 16, "batch_norm_groups": 4, **settings}
    )
    data = instdisc.ViewData(
        instdisc.Scenes(48, image_size=32), image_size=32, batch_size=batch_size
    )
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    with suppress(Stop):
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
    return trainer


@pytest.mark.parametrize(
    ("batch_size", "message"),
    [
        (6, r"`batch_size`=6 cannot be normalised in 4 equal groups: `batch_norm_groups`=4"),
        (24, r"`queue_size`=16 is smaller than the global batch of 24 images: `batch_size`=24 on"),
    ],
)
def test_before_the_first_step(batch_size, message):
    with pytest.raises(ValueError, match=message):
        run(batch_size)


@pytest.mark.parametrize(
    ("batch_size", "settings", "message"),
    [
        (6, {}, r"`batch_size`=6 \(it was 8 before\) cannot be .* `batch_norm_groups`=4"),
        (8, {"batch_norm_groups": 3}, r"`batch_size`=8 cannot be .* `batch_norm_groups`=3"),
        (24, {}, r"`queue_size`=16 is smaller .* `batch_size`=24 \(it was 8 before\)"),
    ],
)
def test_when_a_run_goes_on(tmp_path, batch_size, settings, message):
    path = tmp_path / "a.ckpt"
    run(8, StopAt(path, 2))
    with pytest.raises(ValueError, match=message):
        run(batch_size, ckpt_path=path, **settings)


def test_changes_that_fit_go_on(tmp_path):
    path = tmp_path / "a.ckpt"
    run(8, StopAt(path, 2))
    trainer = run(16, ckpt_path=path, batch_norm_groups=8)
    assert trainer.global_step == 4
    names = [change["name"] for change in trainer.lightning_module.recipe["changes"]]
    assert names == ["batch_norm_groups", "batch_size"]


def test_more_processes_than_groups(tmp_path, monkeypatch):
    """Each process normalises by itself at least: the groups would be others than before."""
    path = tmp_path / "a.ckpt"
    run(8, StopAt(path, 2), batch_norm_groups=2)
    monkeypatch.setattr("instdisc.methods.training.capacity.world_size", lambda: 4)
    message = "`batch_norm_groups`=2 on 4 processes makes 4 groups, where the run had 2 on 1"
    with pytest.raises(ValueError, match=message):
        run(4, ckpt_path=path, batch_norm_groups=2)
    monkeypatch.setattr("instdisc.methods.training.capacity.world_size", lambda: 2)
    assert run(8, ckpt_path=path, batch_norm_groups=2).global_step == 6
