"""One pretraining of a study."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from instdisc.callbacks import ObjectiveMonitor
from instdisc.callbacks.keeper import NewestCheckpoint
from instdisc.checkpoint import export_backbone
from instdisc.data import ImageSource, ViewData
from instdisc.methods import PretrainModule
from instdisc.models import Backbone
from instdisc.types import About
from instdisc.writing import write_atomically

from .budget import Budget, BudgetSpent, EpochBudget
from .preset import Preset


class Pretrained(NamedTuple):
    """What a pretraining left.

    Attributes:
        path: of the backbone.
        seconds: that it took, of a run that went on those of its last process.
        steps: of the optimiser.
        loss: of the last step; ``None`` for random weights.
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
    budget: Budget,
) -> Pretrained:
    """Pretrains by a method; a run that was stopped goes on from its last epoch.

    Args:
        preset: backbone, views, budget.
        method: its name in the preset.
        seed: of the first weights, the order of the images and their views: the same for all
            methods.
        learning_rate: ``None`` for that of the module, or for random weights.
        epochs: over `images`.
        images: with labels.
        folder: gets ``backbone.safetensors``; if it is there, nothing is run. Until then, the
            checkpoint of the run.
        budget: what is left.

    Raises:
        BudgetSpent: between two epochs.
    """
    path, note = folder / "backbone.safetensors", folder / "run.json"
    if path.exists() and note.exists():
        return Pretrained(path, **json.loads(note.read_text(encoding="utf-8")))
    start = time.perf_counter()
    with all_threads(preset.threads):
        pl.seed_everything(seed, verbose=False)
        backbone = Backbone(**preset.backbone)
        if not preset.methods[method].module:
            backbone.origin = About(method="random", pretraining="random")
            return _written(backbone, path, note, Pretrained(path, 0.0, 0, None))
        data = ViewData(
            images,
            policy=preset.policies[preset.methods[method].policy],
            image_size=preset.image_size,
            batch_size=preset.batch_size,
            seed=seed,
            # The same to the last bit, with a C compiler or without, unless a preset says so.
            **{"compile_views": False, **preset.data},
        )
        module = make_module(preset, method, backbone, learning_rate, images)
        limit = EpochBudget(budget)
        trainer = pl.Trainer(
            max_epochs=epochs,
            logger=CSVLogger(folder, name="csv", version=""),
            callbacks=[ObjectiveMonitor(), NewestCheckpoint(folder / "checkpoints"), limit],
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            **preset.trainer,
        )
        last = folder / "checkpoints" / "last.ckpt"
        trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.exists() else None)
        if limit.stopped:
            raise BudgetSpent
        steps, loss = trainer.global_step, float(trainer.callback_metrics["loss"])
        seconds = round(time.perf_counter() - start, 1)
        return _written(module, path, note, Pretrained(path, seconds, steps, loss))


def _written(source: nn.Module, path: Path, note: Path, run: Pretrained) -> Pretrained:
    """Exports, and notes what the export does not tell."""
    export_backbone(source, path)
    said = {name: value for name, value in run._asdict().items() if name != "path"}
    write_atomically(note, lambda file: file.write_text(json.dumps(said), encoding="utf-8"))
    return run


def make_module(
    preset: Preset,
    method: str,
    backbone: Backbone,
    learning_rate: float | None,
    images: ImageSource,
) -> PretrainModule:
    """The module of a method with the arguments that all share, as far as it takes them."""
    entry = preset.methods[method]
    user = "." in entry.module
    room, _, name = (entry.module if user else f"instdisc.methods.{entry.module}").rpartition(".")
    kind = getattr(import_module(room), name)
    takes = inspect.signature(kind).parameters
    offered = {
        **preset.settings,
        **({} if learning_rate is None else {"learning_rate": learning_rate}),
        "num_classes": len(images.classes),
        "num_images": len(images),
    }
    shared = {name: value for name, value in offered.items() if name in takes}
    module: PretrainModule = kind(backbone, **{**shared, **entry.settings})
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
