"""How a module that trains a copy of a backbone was made.

A record says whose result it is and how it was trained. By the time of the test the backbone has
changed, and the module may come from a checkpoint: so it remembers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytorch_lightning import LightningModule

from instdisc.checks import refuse
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.resuming import RunPosition, RunSettings
from instdisc.types import About, InputSpec

from .provenance import checked

_KEY = "instdisc_history"  # in a checkpoint


class History:
    """Where a module began, and how it was trained; it goes along in the module's checkpoints.

    Args:
        backbone: before the training.

    Attributes:
        about: of the backbone before the training.
        seen: how the backbone sees images.
        training: with what it was trained: JSON values; empty before a training. Under
            ``"changes"``, if a resume changed something, the step, the name, and the values before
            and after of each.

    Example:
        >>> history = History(Backbone("test_resnet"))
        >>> history.about.architecture, history.training
        ('test_resnet', {})
    """

    def __init__(self, backbone: Backbone) -> None:
        self.about: About = backbone.about()
        self.seen: InputSpec = backbone.input
        self.training: dict[str, Any] = {}

    def begin(self, module: LightningModule) -> None:
        """Notes with what a run is made; for ``on_train_start``, after position and settings."""
        trainer: Any = module.trainer
        data = trainer.datamodule
        accumulated, processes = trainer.accumulate_grad_batches, trainer.world_size
        batch_size = getattr(data, "batch_size", None)
        position: RunPosition = module.position  # type: ignore[assignment]
        settings: RunSettings = module.settings  # type: ignore[assignment]
        self.training = {
            "steps": None if math.isinf(position.num_steps) else int(position.num_steps),
            "epochs": trainer.max_epochs if trainer.max_steps == -1 else None,
            "batch_size": None if batch_size is None else batch_size * processes * accumulated,
            "accumulated": accumulated,
            "processes": processes,
            "precision": str(trainer.precision),
            **settings.free,
        }
        if settings.changes:
            self.training["changes"] = settings.recorded()

    def show(self, module: LightningModule) -> None:
        """Tells a data module of this library how the backbone sees images."""
        # `module.trainer` raises where there is none, as when a module is read from its file.
        data: Any = getattr(module._trainer, "datamodule", None)
        if hasattr(data, "show_as"):
            data.show_as(self.seen)

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Puts itself into a checkpoint; for `LightningModule.on_save_checkpoint`."""
        checkpoint[_KEY] = {
            "about": {**self.about._asdict(), "view": dict(self.about.view)},
            "seen": self.seen._asdict(),
            "training": self.training,
        }

    def load(self, module: LightningModule, checkpoint: Mapping[str, Any]) -> None:
        """Becomes that of a checkpoint, if it has one; release 0.1.0 kept none."""
        stored = checkpoint.get(_KEY)
        if stored is not None:
            self.about, self.seen = About(**stored["about"]), InputSpec(**stored["seen"])
            self.training = dict(stored["training"])
            self.show(module)


def chosen(thing: object, *names: str) -> dict[str, Any]:
    """Attributes as settings of a record: JSON values."""
    values = {name: getattr(thing, name) for name in names}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def training_run(
    module: Any,
    data: Any,
    about: About | None,
    *,
    view: Mapping[str, Any],
    settings: Mapping[str, Any],
    seconds: float,
) -> Run:
    """What all records of a module's last test have in common.

    Args:
        module: has a `History` and a Trainer.
        data: what it was trained and tested on, with ``train``, ``test`` and ``seed``.
        about: what the records say instead of what the module knows.
        view: how the images of the test were shown.
        settings: how it was trained.
        seconds: that it took.

    Raises:
        ValueError: if `data` is not what the Trainer had last.
        TypeError: if `about` is something else.
    """
    if module.trainer.datamodule is not data:
        refuse("data", "what the Trainer tested `module` on", data)
    history: History = module.history
    normal = {"mean": list(history.seen.mean), "std": list(history.seen.std)}
    whose = history.about._replace(dataset=data.test.name, view={**normal, **view})
    return Run(
        whose.update(checked(about)),
        data.seed,
        seconds,
        {**settings, **history.training, "train": len(data.train)},
        str(module.trainer.strategy.root_device),
    )
