"""A subclass whose hook does not call its parent's is told so."""

import pytest
from pytorch_lightning import LightningModule

import instdisc
from instdisc.testing.runs import fit, make_batches

SMALL = {"queue_size": 64, "batch_norm": "plain"}


def run(kind, path=None, ckpt_path=None, epochs=1):
    module = kind("test_resnet", **SMALL)
    trainer = fit(module, make_batches(3, 8, 32), max_epochs=epochs, ckpt_path=ckpt_path)
    if path is not None:
        trainer.save_checkpoint(path)
    return module


class WithoutStart(instdisc.MoCoModule):
    def on_train_start(self):
        pass


class WithoutStep(instdisc.MoCoModule):
    def optimizer_step(self, *args, **kwargs):
        LightningModule.optimizer_step(self, *args, **kwargs)


class WithoutLoad(instdisc.MoCoModule):
    def on_load_checkpoint(self, checkpoint):
        pass


class WithoutSave(instdisc.MoCoModule):
    def on_save_checkpoint(self, checkpoint):
        pass


def test_a_run_that_did_not_begin():
    with pytest.raises(TypeError, match="`on_train_start` of WithoutStart must call"):
        run(WithoutStart)


def test_a_momentum_encoder_that_would_not_move():
    with pytest.raises(TypeError, match="`optimizer_step` of WithoutStep must call"):
        run(WithoutStep)


def test_a_position_that_is_not_read(tmp_path):
    path = str(tmp_path / "a.ckpt")
    run(WithoutLoad, path)
    with pytest.raises(TypeError, match="`on_load_checkpoint` of WithoutLoad must call"):
        run(WithoutLoad, ckpt_path=path, epochs=2)


def test_a_position_that_was_not_written(tmp_path, monkeypatch):
    path = str(tmp_path / "a.ckpt")
    lines = []
    monkeypatch.setattr("instdisc.methods.training.run.rank_zero_warn", lines.append)
    run(WithoutSave, path)
    assert lines == []
    run(WithoutSave, ckpt_path=path, epochs=2)
    (line,) = lines
    assert "Does `on_save_checkpoint` of WithoutSave call" in line
