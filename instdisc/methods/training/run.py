"""How a run of a method begins, goes on after a stop and tells what it does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn

from instdisc.distributed import world_size
from instdisc.models import MomentumEncoder
from instdisc.resuming import RunPosition, RunSettings

from ..objectives import Objective, ParameterOptions, is_stored
from .batch import ValidationBatches
from .batch_norm import BatchNormPolicy
from .capacity import check_capacity
from .lent import LentBackboneModule
from .loss_log import LossLog
from .optimizer import OptimizerName, clips_gradients, make_optimizer
from .parameter_groups import Decay, default_options, parameter_groups
from .rate import RateOfRun
from .rate_search import begin_rate_search
from .recipe import fixed_settings, free_settings, keep_queue, made_by, recipe_of
from .schedule import Schedule
from .size_search import BatchSizeSearch
from .start import trained_from
from .strategy import check_strategy


class RunModule(LentBackboneModule):
    """What `PretrainModule` has around its steps: optimiser, schedule, position, settings, losses.

    Attributes:
        position: how far the run is, in images.
        settings: what it was made with, and what resumes changed.
    """

    objectives: nn.ModuleDict
    momentum_backbone: MomentumEncoder | None
    batch_norm: BatchNormPolicy
    optimizer_name: OptimizerName
    learning_rate: float
    weight_decay: float
    final_weight_decay: float | None
    decay: Decay
    final_momentum: float | None
    sgd_momentum: float
    schedule: Schedule
    warmup: float
    milestones: Sequence[float]
    reference_batch: int | None
    start: dict[str, str]
    _losses: LossLog

    def __init__(self) -> None:
        super().__init__()
        self.position = RunPosition()
        self.settings = RunSettings({}, {})  # what a subclass adds is not here yet; see setup
        self._rate, self._size_search = RateOfRun(self), BatchSizeSearch()
        self._random_state: Tensor | None = None
        self._validation = ValidationBatches()

    def encode_keys(self, images: Tensor, batch_idx: int) -> Tensor:
        """Features of the momentum backbone; see `PretrainModule`."""
        raise NotImplementedError

    @property
    def done(self) -> float:
        """Share of the run that is done, in [0, 1], at which its schedules are read.

        By images, see `RunPosition`; 0 in a run without end.
        """
        num_steps = self.position.num_steps
        if num_steps == math.inf or not num_steps:
            return 0.0
        return self.position.step(self.global_step) / num_steps

    @property
    def recipe(self) -> dict[str, Any]:
        """How this module was made and what resumes changed, in JSON values; see `recipe_of`.

        Stored in every checkpoint and export.
        """
        return recipe_of(self)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All but those of queues and memory banks, which `EMAWeightAveraging` would average.

        ``named_buffers`` and ``state_dict`` have them.
        """
        return (b for name, b in self.named_buffers(recurse=recurse) if not is_stored(name))

    def parameter_options(self, name: str, parameter: nn.Parameter) -> ParameterOptions:
        """How the optimiser treats a parameter; override it for a method that sets some apart.

        Args:
            name: of the parameter within this module, e.g. ``"backbone.body.conv1.weight"``.
            parameter: itself; biases and norms are of one dimension.

        Returns:
            What its objective says (`Objective.parameter_options`), without weight decay if it is
            of one dimension and `decay` is ``"weights"``.
        """
        return default_options(self, name, parameter)

    def validation_step(
        self, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Tensor]:
        """Features of the first view, for the callbacks that watch the run."""
        images, labels, indices = self._validation.read(
            batch, batch_idx, dataloader_idx, self._channels
        )
        return {"features": self(images), "labels": labels, "indices": indices}

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """Features of the first view, ``(B, dim)``."""
        images, _, _ = self._validation.read(batch, batch_idx, dataloader_idx, self._channels)
        features: Tensor = self(images)
        return features

    def configure_optimizers(self) -> Any:
        groups = parameter_groups(self)
        optimizer = make_optimizer(
            self.optimizer_name,
            groups,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.sgd_momentum,
            fused=not clips_gradients(self),
        )
        self._rate = RateOfRun(self)
        scheduler = self._rate.schedule(optimizer, groups)
        self.settings.keep(optimizer)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def configure_callbacks(self) -> list[Callback]:
        # Before Lightning sets up anything: processes, data, the parts of a strategy.
        if self.trainer.state.fn == TrainerFn.FITTING:
            check_strategy(self.trainer.strategy)
        return super().configure_callbacks()

    def setup(self, stage: str) -> None:
        super().setup(stage)
        self._settle()
        self._take_stored_apart()
        if stage == "fit":
            check_strategy(self.trainer.strategy)  # a subclass may configure callbacks of its own
            self._size_search.begin_fit(self)

    def on_fit_start(self) -> None:
        self._size_search.end(self)

    def teardown(self, stage: str) -> None:
        self._size_search.end(self)
        super().teardown(stage)

    def on_train_start(self) -> None:
        self.position.begin(self)
        if not self._size_search.begin_trial(self):
            check_capacity(self)
        self._rate.begin()
        if self.position.num_steps == math.inf:
            self._refuse_schedules()
        self._settle()
        self.settings.begin(self)
        self._losses.begin_run(self)
        begin_rate_search(self)
        if self._random_state is not None and world_size() == 1:
            torch.set_rng_state(self._random_state.cpu())
            self._random_state = None

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._losses.end_step(self)

    def on_validation_start(self) -> None:
        self._losses.begin_validation(self)

    def on_train_epoch_start(self) -> None:
        self._losses.begin_epoch()

    def on_train_epoch_end(self) -> None:
        self._losses.end_epoch(self)

    def on_train_end(self) -> None:
        self._losses.check(self.trainer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._losses.check(self.trainer)
        keep_queue(checkpoint)
        checkpoint["instdisc"] = {**made_by(self), "losses": self._losses.state_dict()}
        # For networks that draw numbers (dropout, stochastic depth); several processes draw their
        # own, and Lightning keeps one checkpoint.
        if world_size() == 1:
            checkpoint["instdisc"]["random_state"] = torch.get_rng_state()
        self.position.save(self, checkpoint)
        self.settings.save(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.settings.load(self, checkpoint)
        self.position.load(checkpoint)
        made = checkpoint.get("instdisc", {})
        if not made and self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
            rank_zero_warn(
                "The checkpoint does not say how far in its images the run was and what it was "
                f"made with. Does `on_save_checkpoint` of {type(self).__name__} call "
                "super().on_save_checkpoint(checkpoint)? Goes on as if nothing had changed since"
            )
        self._random_state = made.get("random_state")
        self._losses.load_state_dict(made.get("losses", {}))
        self.start = made.get("recipe", {}).get("start", {})
        self.backbone.origin = trained_from(type(self).__name__, self.start)

    def _take_stored_apart(self) -> None:
        # ``ddp_spawn`` hands all processes one memory, from which Lightning takes `buffers` alone.
        for name, buffer in self.named_buffers():
            if is_stored(name) and buffer.device.type == "cpu" and buffer.is_shared():
                buffer.data = buffer.clone()

    def _refuse_schedules(self) -> None:
        names = [
            name
            for name in ("final_momentum", "final_weight_decay")
            if getattr(self, name) is not None
        ]
        for term in self.objectives.values():
            assert isinstance(term, Objective)
            names += term.schedules
        if names:
            raise ValueError(
                f"a run without end has no shares, by which `{names[0]}` goes: set `max_epochs` or "
                "`max_steps` of the Trainer, or do without it"
            )

    def _settle(self) -> None:
        self.settings.free, self.settings.fixed = free_settings(self), fixed_settings(self)

    @property
    def _channels(self) -> int:
        channels: int = self.backbone.spec.get("in_chans", 3)
        return channels

    def _logs_now(self) -> bool:
        trainer: Any = self.trainer
        interval: int = trainer.log_every_n_steps  # 0 = never
        return interval > 0 and (self.global_step + 1) % interval == 0
