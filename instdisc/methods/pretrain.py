"""The module beneath every method: a backbone, its momentum encoder, objectives, an optimiser.

Legend: B batch on this process, V views, H x W image size.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from instdisc.checks import instance
from instdisc.distributed import broadcast, world_size
from instdisc.models import Backbone, MomentumEncoder, as_backbone
from instdisc.types import About, InputSpec
from instdisc.version import __version__

from .arguments import check_arguments
from .batch import ValidationBatches, check_views, global_batch
from .batch_norm import BatchNormMode, BatchNormPolicy
from .classes import check_classes
from .compiled import CompiledPasses
from .finite import FiniteWatch
from .objectives import Objective, weighted_sum
from .optimizer import OptimizerName, clips_gradients, make_optimizer
from .schedule import Schedule, check_schedule, learning_rate_factor


class PretrainModule(LightningModule):
    """Pretrains a backbone with the weighted sum of one or more objectives.

    Each step: the query encoder sees the first view (and the second, if an objective classifies
    both), the momentum encoder the second, every objective makes its term. Keys are pushed after
    the backward pass of every micro-batch, the momentum encoders move once per optimiser step.

    Batches are ``(images, labels, ...)`` with `images` a sequence of V views ``(B, 3, H, W)``.

    Args:
        backbone: a timm name or a `Backbone`.
        objectives: the terms by name; the names appear in the logs and the checkpoint.
        momentum: m of the momentum backbone.
        optimizer: ``"sgd"``, ``"lars"`` or ``"adamw"``.
        learning_rate: base rate; scaled by the global batch only with `reference_batch`.
        weight_decay: on all parameters, as in both papers.
        sgd_momentum: of SGD and LARS.
        schedule: ``"cosine"``, ``"step"`` or ``"constant"``; see `learning_rate_factor`.
        warmup: share of the run that the warm-up takes.
        milestones: shares of the run at which ``"step"`` divides the rate by 10.
        reference_batch: if given, the rate is multiplied by global batch / `reference_batch`.
        batch_norm: how batch norm keeps query and key apart. ``"shuffled"``: the global batch is
            normalised in `batch_norm_groups` groups and the keys are shuffled between them, so
            that a query and its key never share statistics; on W processes each has
            ``batch_norm_groups / W`` groups (at least 1), so the result does not depend on W.
            ``"plain"``: per process, unshuffled. ``"sync"``: over all processes (GPU), unshuffled.
            By default ``"shuffled"`` where there is a momentum encoder; without one there is no key
            to hide from and the default is ``"plain"``. There ``"shuffled"`` means in groups, as
            the devices of a paper normalised apart.
        batch_norm_groups: for ``"shuffled"``; 8 in MoCo (its number of GPUs).
        channels_last: memory format of the backbone and its images.
        compile: compile query and momentum backbone by `torch.compile`, in one graph each for the
            batches of training. Validations, and batches of another size than the first, run as
            without. On a GPU, small batches are replayed as CUDA graphs, objectives included.

    Raises:
        ValueError: if an argument is out of range; in training, if a batch does not suit the
            objectives (one view where two are needed, a missing label, one class alone where two
            are compared, a queue shorter than the global batch).
        TypeError: if `backbone` is neither a name nor a `Backbone`, or a batch is not
            ``(sequence of views, labels)``.
        FloatingPointError: in training, if the loss is not finite: names the step; the
            checkpoints written before stay as they are.
    """

    def __init__(
        self,
        backbone: str | Backbone,
        objectives: Mapping[str, Objective],
        *,
        momentum: float = 0.999,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.03,
        weight_decay: float = 1e-4,
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float = 0.0,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = None,
        batch_norm: BatchNormMode | None = None,
        batch_norm_groups: int = 8,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        check_arguments(PretrainModule.__init__, locals())
        for name, objective in objectives.items():
            instance(f"objectives[{name!r}]", objective, Objective, "an Objective")
        if not objectives:
            raise ValueError("`objectives` must name at least one objective, got none")
        check_schedule(schedule, warmup, milestones)
        self.backbone = as_backbone(backbone)
        self.backbone.origin = About(method=type(self).__name__, pretraining=type(self).__name__)
        self.objectives = nn.ModuleDict(objectives)
        self.momentum_backbone = (
            MomentumEncoder(self.backbone, momentum)
            if any(objective.needs_key for objective in objectives.values())
            else None
        )
        self.optimizer_name = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.sgd_momentum = sgd_momentum
        self.schedule = schedule
        self.warmup = warmup
        self.milestones = tuple(milestones)
        self.reference_batch = reference_batch
        if batch_norm is None:
            batch_norm = "plain" if self.momentum_backbone is None else "shuffled"
        self.batch_norm = BatchNormPolicy(batch_norm, batch_norm_groups)
        self.channels_last = channels_last
        self._passes = CompiledPasses(compile=compile)
        if channels_last:
            for net in (self.backbone, self.momentum_backbone):
                if net is not None:
                    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._num_steps: float = float("inf")
        self._rate_scale = 1.0
        self._batch_size: int | None = None
        self._finite = FiniteWatch()
        self._validation = ValidationBatches()
        self._random_state: Tensor | None = None
        # Equal on all processes by construction: spare DDP the broadcast of 32 MB each step.
        self._ddp_params_and_buffers_to_ignore = [
            name for name, _ in self.named_buffers() if ".queue." in name
        ]

    def forward(self, images: Tensor) -> Tensor:
        """Features of the query backbone.

        Args:
            images: ``(B, 3, H, W)``.

        Returns:
            ``(B, backbone.dim)``.
        """
        return self._encode(self.backbone, images)

    @property
    def recipe(self) -> dict[str, Any]:
        """How this module was made, in JSON values; stored in every checkpoint and export."""
        settings = {"backbone": self.backbone.spec, **self.hparams}
        recipe: dict[str, Any] = json.loads(json.dumps(settings, default=str))
        return recipe

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        images, labels = batch[0], batch[1].long()
        objectives = self._objectives()
        num_queries = max(objective.num_queries for objective in objectives.values())
        # A replay writes over the gradients of the one before, and over what DDP still sends.
        accumulates = self.trainer.accumulate_grad_batches > 1
        self._passes.begin_step(replays=not accumulates and world_size() == 1)
        # One view at a time: the groups of a split batch norm hold the same images in each.
        queries = [self(view) for view in images[:num_queries]]  # (B, dim) each
        key = self._key(images[1], batch_idx) if self.momentum_backbone is not None else None
        terms = {
            name: self._passes.compute(objective, queries, key, labels)
            for name, objective in objectives.items()
        }
        loss = weighted_sum([(objectives[name].weight, term) for name, term in terms.items()])
        self._finite.note(loss, self.global_step)
        if loss.device.type == "cpu":
            self._raise_if_not_finite()
        if self._logs_now():
            self.log("loss", loss.detach(), prog_bar=True)
            if len(terms) > 1:
                self.log_dict({f"{name}/loss": term.detach() for name, term in terms.items()})
        return {"loss": loss, "features": queries[0].detach(), "labels": labels}

    def validation_step(
        self, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Tensor]:
        """Features of the first view, for the callbacks that watch the run."""
        images, labels, indices = self._validation.read(
            batch, batch_idx, dataloader_idx, self._channels
        )
        return {"features": self(images), "labels": labels, "indices": indices}

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(
            self.optimizer_name,
            [parameter for parameter in self.parameters() if parameter.requires_grad],
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.sgd_momentum,
            fused=not clips_gradients(self),
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate_factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def setup(self, stage: str) -> None:
        if stage != "fit":
            return
        for net in (self.backbone, self.momentum_backbone):
            if net is not None:
                self.batch_norm.prepare(net, self.trainer.strategy.root_device.type)

    def on_fit_start(self) -> None:
        self._finite = FiniteWatch()
        self._passes.begin_run()
        # Whoever uses the backbone later shows it images as it sees them now.
        policies = getattr(getattr(self.trainer, "datamodule", None), "policies", None)
        first: Any = policies[0] if isinstance(policies, list | tuple) and policies else None
        if all(hasattr(first, name) for name in ("frame", "mean", "std")):  # a ViewPolicy
            self.backbone.input = InputSpec(first.frame.size, tuple(first.mean), tuple(first.std))
        broadcast(buffer for name, buffer in self.named_buffers() if ".queue." in name)

    def on_train_start(self) -> None:
        # Not in configure_optimizers: to ask for the length of the run there would load the data
        # before Lightning restores the position of a resumable loader, which is then lost.
        self._num_steps = self.trainer.estimated_stepping_batches
        self._rate_scale = 1.0
        if self.reference_batch is not None:
            self._rate_scale = global_batch(self.trainer) / self.reference_batch
        if self._num_steps == float("inf") and (self.schedule != "constant" or self.warmup):
            raise ValueError(
                "a run without end has no schedule: set `max_epochs` or `max_steps` of the "
                "Trainer, or schedule='constant' and warmup=0"
            )
        scheduler: Any = self.lr_schedulers()
        rate = self.learning_rate * self._rate_factor(scheduler.last_epoch)
        for group in scheduler.optimizer.param_groups:
            group["lr"] = rate
        if self._random_state is not None and world_size() == 1:
            torch.set_rng_state(self._random_state.cpu())
            self._random_state = None
        name = type(self).__name__
        check_classes(name, self.trainer.train_dataloader, self._objectives().values())

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        objectives = self._objectives().values()
        self._batch_size = check_views(batch, objectives, self._batch_size, self._channels)
        # Looking at labels on a GPU would wait for it: there, only now and then.
        if batch[1].device.type == "cpu" or batch_idx == 0 or self._logs_now():
            for objective in objectives:
                objective.check_batch(batch[1])

    def on_after_backward(self) -> None:
        for objective in self._objectives().values():
            objective.after_backward()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.momentum_backbone is not None:
            self.momentum_backbone.update(self.backbone)
        for objective in self._objectives().values():
            objective.after_step()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._logs_now() or self._finite.is_full:
            self._raise_if_not_finite()

    def on_train_end(self) -> None:
        self._raise_if_not_finite()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._raise_if_not_finite()
        checkpoint["instdisc"] = {
            "backbone": self.backbone.spec,
            "method": type(self).__name__,
            "recipe": self.recipe,
            "version": __version__,
            "input": self.backbone.input._asdict(),
        }
        # For networks that draw numbers (dropout, stochastic depth); several processes draw their
        # own, and Lightning keeps one checkpoint.
        if world_size() == 1:
            checkpoint["instdisc"]["random_state"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._random_state = checkpoint.get("instdisc", {}).get("random_state")

    @property
    def _channels(self) -> int:
        channels: int = self.backbone.spec.get("in_chans", 3)
        return channels

    def _objectives(self) -> dict[str, Objective]:
        return dict(self.objectives.items())  # type: ignore[arg-type]

    def _key(self, images: Tensor, batch_idx: int) -> Tensor:
        assert self.momentum_backbone is not None
        seed = self.current_epoch * 1_000_003 + batch_idx
        encode = functools.partial(self._encode, self.momentum_backbone)
        return self.batch_norm.encode_keys(encode, images, seed)

    def _encode(self, net: nn.Module, images: Tensor) -> Tensor:
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return self._passes.encode(net, images)

    def _rate_factor(self, step: int) -> float:
        if self._num_steps == float("inf"):  # not known before the run starts; see on_train_start
            return 1.0
        return self._rate_scale * learning_rate_factor(
            step,
            int(self._num_steps),
            schedule=self.schedule,
            warmup=self.warmup,
            milestones=self.milestones,
        )

    def _logs_now(self) -> bool:
        trainer: Any = self.trainer
        interval: int = trainer.log_every_n_steps  # 0 = never
        return interval > 0 and (self.global_step + 1) % interval == 0

    def _raise_if_not_finite(self) -> None:
        callback = self.trainer.checkpoint_callback
        names = ("last_model_path", "best_model_path")
        kept = [path for name in names if (path := getattr(callback, name, ""))]
        self._finite.check(kept[0] if kept else None)
