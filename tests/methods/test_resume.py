"""A run that is killed and resumed equals the run that was not: with the real data path."""

import os
from contextlib import suppress

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

import instdisc
from instdisc.callbacks import OnlineLinearProbe

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The 'val_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]


class Killed(Exception):
    pass


class Watch(pl.Callback):
    """Notes the views and the learning rate of every step; dies after one of them."""

    def __init__(self, die_after=None, path=None):
        self.die_after, self.path = die_after, path
        self.views, self.rates = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.views.append([view.clone() for view in batch[0]])
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, *rest):
        if trainer.global_step == self.die_after:
            trainer.save_checkpoint(self.path)
            raise Killed


def make_module():
    torch.manual_seed(0)
    backbone = instdisc.Backbone("test_vit", img_size=32, proj_drop_rate=0.1)
    return instdisc.SupConMoCoModule(
        backbone, queue_size=64, learning_rate=0.1, reference_batch=None, warmup=0.3
    )


def run(watch, folder, workers, ckpt_path=None, callbacks=()):
    # Seven batches of 5 in an epoch of 36 images, two epochs: 14 steps.
    data = instdisc.ViewData(
        instdisc.Scenes(36, image_size=32),
        instdisc.Scenes(10, image_size=32, split="test"),
        image_size=32,
        batch_size=5,
        num_workers=workers,
        seed=3,
    )
    module = make_module()
    if ckpt_path is not None:
        nn.init.zeros_(module.objectives["supcon"].projector.layers[0].weight)
        torch.manual_seed(99)  # a new process has drawn other numbers
    trainer = pl.Trainer(
        default_root_dir=folder,
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        callbacks=[watch, OnlineLinearProbe(10), *callbacks],
    )
    with suppress(Killed):
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
    return module, trainer


# Within an epoch, at its end, in the next.
@pytest.mark.parametrize(("workers", "die_after"), [(0, 3), (0, 7), (0, 9), (2, 3), (2, 7)])
def test_resumed_run_is_bit_equal(tmp_path, workers, die_after):
    whole = Watch()
    expected, trainer = run(whole, tmp_path, workers)
    path = str(tmp_path / "killed.ckpt")
    run(Watch(die_after, path), tmp_path, workers)
    rest = Watch()
    resumed, resumed_trainer = run(rest, tmp_path, workers, ckpt_path=path)

    assert len(whole.views) == 14
    assert len(rest.views) == 14 - die_after
    for views, again in zip(whole.views[die_after:], rest.views, strict=True):
        assert all(torch.equal(view, same) for view, same in zip(views, again, strict=True))
    assert rest.rates == whole.rates[die_after:]
    states = expected.state_dict(), resumed.state_dict()
    different = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    assert different == []
    assert trainer.callback_metrics["probe"] == resumed_trainer.callback_metrics["probe"]


def test_another_seed_gives_other_views(tmp_path):
    first, second = Watch(1, str(tmp_path / "a.ckpt")), Watch(1, str(tmp_path / "b.ckpt"))
    run(first, tmp_path, 0)
    data = instdisc.ViewData(
        instdisc.Scenes(36, image_size=32), image_size=32, batch_size=5, seed=4
    )
    second.views.append(next(iter(data.train_dataloader())).images)
    assert not torch.equal(first.views[0][0], second.views[0][0])


def test_kill_while_a_checkpoint_is_written_leaves_the_previous_one_whole(tmp_path, monkeypatch):
    save, saved = torch.save, []

    def dies_half_way(checkpoint, file, *rest, **options):
        if saved:
            file.write(b"PK\x03\x04 half a file")
            raise Killed
        saved.append(True)
        save(checkpoint, file, *rest, **options)

    monkeypatch.setattr(torch, "save", dies_half_way)
    keep = ModelCheckpoint(tmp_path / "kept", every_n_train_steps=2, save_last="link")
    run(Watch(), tmp_path, 0, callbacks=[keep])
    last = torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 2
    assert instdisc.load_backbone(tmp_path / "kept" / "last.ckpt").name == "test_vit"
    assert sorted(os.listdir(tmp_path / "kept")) == ["epoch=0-step=2.ckpt", "last.ckpt"]
