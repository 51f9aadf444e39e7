"""The module beneath every method: a backbone, its momentum encoder, objectives, an optimiser.

Legend: B batch on this process, V views, H x W image size.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from instdisc.checkpoint import open_backbone
from instdisc.checks import instance
from instdisc.distributed import broadcast, world_size
from instdisc.models import Backbone, MomentumEncoder
from instdisc.models.few_values import refuse_few_values
from instdisc.models.norm_forms import has_batch_norm
from instdisc.resuming import refuse_override

from .arguments import check_arguments
from .objectives import Objective, is_stored
from .training.batch import TrainingBatches
from .training.batch_norm import BatchNormMode, BatchNormPolicy
from .training.classes import check_classes
from .training.compiled import CompiledPasses
from .training.loss_log import LossLog
from .training.momentum import MomentumSchedule
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.run import RunModule
from .training.schedule import Schedule, check_schedule
from .training.start import shown_to, start_of, trained_from
from .training.views import named_views, pass_views, weighted_sum


class PretrainModule(RunModule):
    """Pretrains a backbone with the weighted sum of one or more objectives.

    Each step: the query encoder sees the views that any objective names in `queries`, the momentum
    encoder those in `keys`, every objective makes its term. What an objective stores, as keys in a
    queue, it stores after the backward pass of every micro-batch; the momentum encoders move once
    per optimiser step.

    Batches are ``(images, labels, ...)`` with `images` a sequence of V views ``(B, 3, H, W)``.

    Args:
        backbone: what to train: a `Backbone`, which is not copied; a file as a warm start; or the
            timm name of an architecture, ``"timm:NAME"`` with published weights. See
            `instdisc.checkpoint.open_backbone`. The recipe names what it began from.
        objectives: the terms by name; the names appear in the logs and the checkpoint.
        momentum: m of the momentum backbone.
        final_momentum: m of all momentum encoders at the end of the run, reached as a cosine from
            what each has; ``None``: m does not change.
        optimizer: ``"sgd"``, ``"lars"`` or ``"adamw"``.
        learning_rate: base rate; scaled by the global batch only with `reference_batch`.
        weight_decay: of the parameters that `decay` names.
        final_weight_decay: at the end of the run, reached as a cosine; ``None``: it does not
            change.
        decay: ``"all"`` parameters, as in both papers; or ``"weights"``: those of two or more
            dimensions, so neither biases nor norms, which LARS then moves by their gradient alone.
        sgd_momentum: of SGD and LARS.
        schedule: ``"cosine"``, ``"step"`` or ``"constant"``; see `learning_rate_factor`.
        warmup: share of the run that the warm-up takes.
        milestones: shares of the run at which ``"step"`` divides the rate by 10.
        reference_batch: if given, the rate is multiplied by global batch / `reference_batch`.
        batch_norm: how batch norm keeps query and key apart. ``"shuffled"``: the global batch is
            normalised in `batch_norm_groups` groups and the keys are shuffled between them, so
            that a query and its key never share statistics; on W processes each has
            ``batch_norm_groups / W`` groups (at least 1), so the result does not depend on W.
            ``"plain"``: per process, unshuffled. ``"sync"``: over all processes, unshuffled.
            Heads with batch norm follow; with ``"shuffled"`` the heads of keys see them in the
            order of the queries, so contrast with such a head wants ``"sync"``.
            The default is ``"shuffled"`` with a momentum encoder and ``"plain"`` without one, where
            no key can leak. Without one ``"shuffled"`` normalises in groups, as a paper's devices
            did.
        batch_norm_groups: for ``"shuffled"``; 8 in MoCo (its number of GPUs).
        join_views: pass the views of one size through the backbone in one batch, so that batch norm
            has statistics of them all. Without it each view has its own pass and statistics; a
            backbone without batch norm sees them joined either way, which is faster and equal.
        channels_last: memory format of the backbone and its images.
        compile: compile query and momentum backbone by `torch.compile`, in one graph each for the
            batches of training. Validations, and batches of another size than the first, are not
            compiled. On a GPU, small batches are replayed as CUDA graphs, objectives included.

    Attributes:
        policy: name of the views that the method is published with, see
            `instdisc.data.view_policies`; ``instdisc pretrain --model`` takes them.

    Raises:
        ValueError: if an argument is out of range; in training, if a batch does not suit the
            objectives (one view where two are needed, a missing label, one class alone where two
            are compared, a queue shorter than the global batch).
        FileNotFoundError: see `open_backbone`.
        TypeError: if `backbone` is no `Backbone`, file or name, or a batch is not
            ``(sequence of views, labels)``.
        FloatingPointError: in training, if the loss is not finite: names the step; the
            checkpoints written before stay as they are.
    """

    policy: ClassVar[str] = "moco_v2"

    def __init__(
        self,
        backbone: str | Path | Backbone,
        objectives: Mapping[str, Objective],
        *,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.03,
        weight_decay: float = 1e-4,
        final_weight_decay: float | None = None,
        decay: Decay = "all",
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float = 0.0,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = None,
        batch_norm: BatchNormMode | None = None,
        batch_norm_groups: int = 8,
        join_views: bool = False,
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
        self.backbone = open_backbone(backbone)
        self.start = start_of(self.backbone)
        self.objectives = nn.ModuleDict(objectives)
        self.momentum_backbone = (
            MomentumEncoder(self.backbone, momentum)
            if any(objective.keys for objective in objectives.values())
            else None
        )
        self.final_momentum = final_momentum
        self.optimizer_name = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.final_weight_decay = final_weight_decay
        self.decay: Decay = decay
        self.sgd_momentum = sgd_momentum
        self.schedule = schedule
        self.warmup = warmup
        self.milestones = tuple(milestones)
        self.reference_batch = reference_batch
        if batch_norm is None:
            batch_norm = "plain" if self.momentum_backbone is None else "shuffled"
        if join_views and batch_norm == "shuffled":
            raise ValueError(
                "`join_views`=True puts several views into the groups of `batch_norm`='shuffled', "
                "and others on several processes. Set join_views=False, or batch_norm='sync'."
            )
        self.batch_norm = BatchNormPolicy(batch_norm, batch_norm_groups)
        self.join_views = join_views
        self.channels_last = channels_last
        self._passes = CompiledPasses(compile=compile)
        self._stepped, self._first_step, self._done = False, 0, 0.0
        self._momentum = MomentumSchedule(self, final_momentum)
        self._is_free_of_batch_norm = False
        self._losses = LossLog(list(objectives))
        self._batches = TrainingBatches()
        # Equal on all processes by construction: spare DDP the broadcast of 32 MB each step.
        self._ddp_params_and_buffers_to_ignore = [
            name for name, _ in self.named_buffers() if is_stored(name)
        ]

    def forward(self, images: Tensor) -> Tensor:
        """Features of the query backbone.

        Args:
            images: ``(B, 3, H, W)``.

        Returns:
            ``(B, backbone.dim)``.
        """
        return self._encode(self.backbone, images)

    def encode_keys(self, images: Tensor, batch_idx: int) -> Tensor:
        """Features of the momentum backbone, normalised apart from the queries.

        Args:
            images: ``(B, 3, H, W)``.
            batch_idx: of the batch in its epoch; decides how keys are shuffled.

        Returns:
            ``(B, backbone.dim)``.
        """
        assert self.momentum_backbone is not None
        seed = self.current_epoch * 1_000_003 + batch_idx
        encode = functools.partial(self._encode, self.momentum_backbone)
        return self.batch_norm.encode_keys(encode, images, seed)

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        images, labels = batch[0], batch[1].long()
        objectives = self._objectives()
        indices = batch[2] if len(batch) > 2 and isinstance(batch[2], Tensor) else None
        for objective in objectives.values():
            objective.begin_batch(indices, self._done)
        # A replay writes over the gradients of the one before, and over what DDP still sends.
        accumulates = self.trainer.accumulate_grad_batches > 1
        self._passes.begin_step(replays=not accumulates and world_size() == 1)
        joined = self.join_views or self._is_free_of_batch_norm
        query_views, key_views = named_views(objectives.values())
        queries = pass_views(self, images, query_views, joined=joined)  # (B, dim) each
        encode_keys = functools.partial(self.encode_keys, batch_idx=batch_idx)
        keys = pass_views(encode_keys, images, key_views, joined=joined)
        terms = {
            name: self._passes.compute(
                objective,
                {view: queries[view] for view in objective.queries},
                {view: keys[view] for view in objective.keys},
                labels,
            )
            for name, objective in objectives.items()
        }
        loss = weighted_sum([(objectives[name].weight, term) for name, term in terms.items()])
        self._losses.note(self, loss, terms, images)
        if loss.device.type == "cpu":
            self._losses.check(self.trainer)
        features = next(iter(queries.values())).detach()
        return {"loss": loss, "features": features, "labels": labels}

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit":
            self.batch_norm.prepare(self.objectives)
        for net in (self.backbone, self.momentum_backbone):
            if net is not None and self.channels_last:
                net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if net is not None and stage == "fit":
                self.batch_norm.prepare(net)
        self._is_free_of_batch_norm = not has_batch_norm(self.backbone)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.settings.check_optimizers(self)
        self._passes.begin_run()
        self.backbone.origin = trained_from(type(self).__name__, self.start)
        # Whoever uses the backbone later shows it images as it sees them now.
        shown = shown_to(getattr(self.trainer, "datamodule", None))
        self.backbone.input = shown or self.backbone.input
        broadcast(buffer for name, buffer in self.named_buffers() if is_stored(name))

    def on_train_start(self) -> None:
        super().on_train_start()
        self._stepped, self._first_step = False, self.global_step
        self._batches.begin_run()
        name = type(self).__name__
        check_classes(name, self.trainer.train_dataloader, self._objectives().values())

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self._done = self.done  # when the step is over, Lightning has counted it
        objectives = self._objectives().values()
        if not self._batches.are_like(batch):
            precision = str(self.trainer.precision)
            self._batches.check(batch, objectives, self._channels, precision)
        # Looking at labels on a GPU would wait for it: there, only now and then.
        if batch[1].device.type == "cpu" or batch_idx == 0 or self._logs_now():
            for objective in objectives:
                objective.check_batch(batch[1])

    def on_after_backward(self) -> None:
        for objective in self._objectives().values():
            objective.after_backward()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._rate.begin_step(self._done)
        super().optimizer_step(*args, **kwargs)
        self._after_step()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if not self.automatic_optimization:  # then Lightning leaves optimizer_step out
            self._after_step()
        elif not self._stepped and self.global_step > self._first_step:
            refuse_override(self, "optimizer_step")
        super().on_train_batch_end(outputs, batch, batch_idx)

    def _after_step(self) -> None:
        self._stepped = True
        self._momentum.begin_update(self._done)
        if self.momentum_backbone is not None:
            self.momentum_backbone.update(self.backbone)
        for objective in self._objectives().values():
            objective.after_step()

    def _objectives(self) -> dict[str, Objective]:
        return self.objectives._modules  # type: ignore[return-value]  # no copy: asked in each step

    def _encode(self, net: nn.Module, images: Tensor) -> Tensor:
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        try:
            return self._passes.encode(net, images)
        except ValueError as error:
            refuse_few_values(error, len(images))
            raise
