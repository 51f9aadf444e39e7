"""What the commands that train share: pretrain, and through `TaskCLI` detect, segment, landmarks.

A run has one seed and one folder, ``--trainer.default_root_dir``, for configuration, logs and
checkpoints.

``--global_batch`` is the images of an optimiser step, of all devices together. A recipe names it,
and not the devices: it runs on those available, each with an equal share, and a line says which. A
device that cannot hold its share computes it in parts, one after another; ``--data.batch_size`` is
the size of a part.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import (
    LearningRateMonitor,
    ModelCheckpoint,
    ModelSummary,
    ProgressBar,
)
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from instdisc.callbacks import NewestCheckpoint
from instdisc.callbacks.keeper import save_atomically
from instdisc.checkpoint.newest import requeued_checkpoints

from .going_on import changed_settings, checkpoints_folder, find_start
from .parsing import RunParser, help_texts
from .recipes import resolve_recipes
from .screen import EpochLines, RunProgressBar, RunSummary, leave_adverts_out
from .sharing import share_batch, steps_per_epoch


class RunCLI(LightningCLI):
    """LightningCLI with one seed for all, a guarded run folder, default callbacks and loggers.

    A callback in ``trainer.callbacks`` takes the place of the default one of its class,
    ``trainer.logger`` that of all loggers. A command overrides `watchers`, `loggers` or
    `keeper`, and adds its arguments and links.

    Args:
        model: class of the module.
        data: class of the data module; it has the argument ``seed``.
        trainer: defaults of the Trainer's arguments, with ``default_root_dir``.
        about: what ``--help`` begins with.
        epilog: what it ends with.
        subclasses: whether the command line may name a subclass of `model`.
        args: the command line; ``None``: of the process. A ``--config`` may name a recipe.

    Attributes:
        name: of the command.
        save_every: steps from one checkpoint to the next; ``None`` for each epoch.
    """

    name: str
    save_every: int | None = None

    def __init__(
        self,
        model: type[LightningModule],
        data: type[LightningDataModule],
        *,
        trainer: dict[str, Any],
        about: str | None,
        epilog: str | None = None,
        subclasses: bool = False,
        args: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            model,
            data,
            subclass_mode_model=subclasses,
            trainer_defaults=trainer,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},  # only by a run that goes on: see the guard
            # The recipe in a checkpoint is what the module got, as without this command line.
            load_from_checkpoint_support=False,
            auto_configure_optimizers=False,
            parser_class=RunParser,
            parser_kwargs=help_texts(self.name, about) | {"epilog": epilog},
            run=False,
            args=resolve_recipes(sys.argv[1:] if args is None else args),
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        # Lightning's warns of arguments beside those of the process, from which ours come.
        self.config = parser.parse_args(args)

    def watchers(self) -> list[Callback]:
        """The default callbacks besides progress bar and keeper."""
        settings = self.config_init.trainer
        if settings.logger is False or settings.fast_dev_run:
            return []
        return [LearningRateMonitor("step")]

    def loggers(self, root: Path) -> list[Logger]:
        """The default loggers, in the run's folder."""
        # A CSVLogger empties its folder: each start gets a version of its own.
        return [TensorBoardLogger(root, name="", version=""), CSVLogger(root, name="csv")]

    def keeper(self, folder: Path) -> ModelCheckpoint:
        """The default keeper of checkpoints in `folder`."""
        return NewestCheckpoint(folder, every_n_train_steps=self.save_every)

    def fit(self) -> None:
        """Trains; from the checkpoint of an earlier start if one is asked for.

        Raises:
            KeyboardInterrupt: after Ctrl-C, which Lightning turns into an exit with status 1.
        """
        try:
            self.trainer.fit(self.model, datamodule=self.datamodule, ckpt_path=self.start())
        except SystemExit:
            if not self.trainer.interrupted:
                raise
            raise KeyboardInterrupt("The same command with --ckpt_path last goes on.") from None

    def start(self) -> str | None:
        """The checkpoint to go on from, for ``Trainer.fit``; says what changed since."""
        path = find_start(self.trainer, self.config.ckpt_path)
        if path is not None and self.trainer.is_global_zero:
            settings = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
            changes = changed_settings(
                Path(self.trainer.default_root_dir) / "config.yaml", settings
            )
            since = f" Changed since: {', '.join(changes)}." if changes else ""
            print(f"Going on from {path}.{since}")
        return path

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="Checkpoint to go on from; 'last' for the newest whole one of the run.",
        )
        parser.add_argument(
            "--global_batch",
            type=int | None,
            default=None,
            help="Images of a step, of all devices together; they share them equally.",
        )
        parser.set_defaults({"data.batch_size": None})  # so that one that was set can be recognised
        parser.link_arguments("seed_everything", "data.seed", compute_fn=_seed)

    def before_instantiate_classes(self) -> None:
        self._batch_size = self.config.data.batch_size
        if self._batch_size is None:
            arguments = inspect.signature(self._datamodule_class).parameters
            self.config.data.batch_size = arguments["batch_size"].default
        root = self.config.trainer.default_root_dir
        folder = checkpoints_folder(root)
        written = [*folder.glob("*.ckpt"), *requeued_checkpoints(root or ".")]
        if self.config.ckpt_path is None and written:
            self.parser.error(
                f"{written[0].parent} holds the checkpoints of a run already. Go on with it by "
                "--ckpt_path last, or choose another --trainer.default_root_dir."
            )

    def instantiate_classes(self) -> None:
        super().instantiate_classes()
        if self.config.global_batch is not None:
            self._share_step(self.config.global_batch)
        if self.config.trainer.log_every_n_steps is None:
            # Not longer than an epoch, of which else nothing but the loss would be logged.
            steps = steps_per_epoch(self.trainer, self.datamodule)
            interval: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
            self.trainer.log_every_n_steps = min(interval, max(1, steps))  # type: ignore[attr-defined]

    def _share_step(self, images: int) -> None:
        devices = self.trainer.world_size
        self.datamodule.batch_size, parts = share_batch(
            images,
            devices,
            batch_size=self._batch_size,
            parts=self.trainer.accumulate_grad_batches,
        )
        self.trainer.accumulate_grad_batches = parts
        self.config.data.batch_size = self._batch_size  # what is saved adapts anew elsewhere
        remark = self.divide_step(devices, parts)
        if self.trainer.is_global_zero:
            print(
                f"A step has {images} images: {devices} device(s) x {parts} part(s) x "
                f"{self.datamodule.batch_size}. {remark}".rstrip()
            )

    def divide_step(self, devices: int, parts: int) -> str:
        """What else must follow when devices and parts share a step; returns a remark on it."""
        return "" if parts == 1 else "Batch norm sees one part at a time."

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self.config_init.trainer
        root = Path(settings.default_root_dir or ".")
        if settings.logger in (None, True):
            settings.logger = self.loggers(root)
        defaults = self.watchers()
        if settings.enable_progress_bar is not False:
            defaults.append(RunProgressBar())
            if not sys.stdout.isatty():
                defaults.append(EpochLines())
        if settings.enable_model_summary is not False:
            defaults.append(RunSummary())
            settings.enable_model_summary = False  # Lightning's, which would say that ours is there
        if settings.enable_checkpointing is not False and not settings.fast_dev_run:
            defaults.append(self.keeper(checkpoints_folder(settings.default_root_dir)))
        callbacks = settings.callbacks or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        settings.callbacks = callbacks + [
            default
            for default in defaults
            if not any(isinstance(callback, _kind(default)) for callback in callbacks)
        ]
        leave_adverts_out()
        trainer = super().instantiate_trainer(**kwargs)
        save_atomically(trainer)
        return trainer


def _kind(default: Callback) -> type:
    """What takes its place: of some there is only one, whatever its class."""
    kinds = (ProgressBar, ModelSummary, ModelCheckpoint)
    return next((kind for kind in kinds if isinstance(default, kind)), type(default))


def _seed(seed: bool | int) -> int:
    if isinstance(seed, bool):
        raise ValueError(f"`seed_everything` must be a number, got {seed}: it draws the data too")
    return seed
