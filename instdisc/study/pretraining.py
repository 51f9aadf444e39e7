"""One pretraining of a study."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger

import instdisc
from instdisc.callbacks import ObjectiveMonitor
from instdisc.callbacks.keeper import NewestCheckpoint
from instdisc.checkpoint import export_backbone
from instdisc.data import ImageSource, ViewData
from instdisc.models import Backbone

from .preset import Preset


class Pretrained(NamedTuple):
    """What a pretraining left.

    Attributes:
        path: of the backbone.
        seconds: that it took, in this process.
        steps: of the optimiser.
        loss: of the last step; ``None`` for random weights, or if it was there already.
    """

    path: Path
    seconds: float
    steps: int
    loss: float | None


def pretrain(
    preset: Preset,
    method: str,
    *,
    seed: int,
    learning_rate: float | None,
    epochs: int,
    images: ImageSource,
    folder: Path,
) -> Pretrained:
    """Pretrains by a method; a run that was killed goes on from its last epoch.

    Args:
        preset: backbone, views, budget.
        method: its name in the preset.
        seed: of the first weights, the order of the images and their views: the same for all
            methods.
        learning_rate: of the method; ``None`` for random weights.
        epochs: over `images`.
        images: with labels.
        folder: gets ``backbone.safetensors``, and the checkpoint of a run that is not at its end.
    """
    path = folder / "backbone.safetensors"
    start = time.perf_counter()
    with all_threads(preset.threads):
        pl.seed_everything(seed, verbose=False)
        backbone = Backbone(**preset.backbone)
        steps = epochs * (len(images) // preset.batch_size)
        if not preset.methods[method].module:
            return Pretrained(export_backbone(backbone, path), 0.0, 0, None)
        data = ViewData(
            images,
            policy=preset.policies[preset.methods[method].policy],
            image_size=preset.image_size,
            batch_size=preset.batch_size,
            seed=seed,
            keep="memory",
        )
        module = make_module(preset, method, backbone, learning_rate, images)
        newest = NewestCheckpoint(folder / "checkpoints")
        trainer = pl.Trainer(
            max_epochs=epochs,
            logger=CSVLogger(folder, name="csv", version=""),
            callbacks=[ObjectiveMonitor(), newest],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **preset.trainer,
        )
        last = folder / "checkpoints" / "last.ckpt"
        trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.exists() else None)
        loss = float(trainer.callback_metrics["loss"])
        return Pretrained(export_backbone(module, path), time.perf_counter() - start, steps, loss)


def make_module(
    preset: Preset,
    method: str,
    backbone: Backbone,
    learning_rate: float | None,
    images: ImageSource,
) -> instdisc.PretrainModule:
    """The module of a method with the arguments that all share, as far as it takes them."""
    entry = preset.methods[method]
    kind = getattr(instdisc, entry.module)
    takes = inspect.signature(kind).parameters
    offered = {
        **preset.settings,
        "learning_rate": learning_rate,
        "num_classes": len(images.classes),
        "num_images": len(images),
    }
    shared = {name: value for name, value in offered.items() if name in takes}
    module: instdisc.PretrainModule = kind(backbone, **{**shared, **entry.settings})
    return module


@contextmanager
def all_threads(count: int | None) -> Iterator[None]:
    """So many threads of torch within, as many as before afterwards."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe_machine() -> dict[str, Any]:
    """What computes, for the record of a cell."""
    import platform

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"machine": platform.machine(), "system": platform.system(), "device": device}
