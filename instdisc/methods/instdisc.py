"""Instance discrimination with a memory bank of all images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from pytorch_lightning.utilities import rank_zero_warn

from instdisc.checkpoint import open_backbone
from instdisc.distributed import world_size
from instdisc.losses import InstanceDiscriminationLoss
from instdisc.models import Backbone
from instdisc.models.projector import ProjectorKind

from .arguments import check_arguments, run_arguments
from .objectives import Estimator, MemoryBankContrast, SampledContrast
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class InstDiscModule(PretrainModule):
    """InstDisc: each image against the stored features of all images; labels are not used.

    It takes one view of each image, and the position of the image in the data set (``indices`` of
    `Views`).

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        num_images: number of training images. ``instdisc pretrain`` sets it.
        num_negatives: K, the rows drawn for each image; ``None``: the rows of all other images,
            which is exact and reads all of them in each step.
        estimator: ``"softmax"`` or, of drawn rows, ``"nce"``; see `SampledContrast`.
        temperature: T.
        projector: ``"linear"`` or ``"mlp"``.
        projection_dim: width of the rows.
        bank_momentum: m of the rows, M_i <- normalise(m M_i + (1 - m) v_i).
        bank_in_host_memory: keep the rows in the memory of the host; see `MemoryBank`. Not with
            several GPUs.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
        (2018), by its code: 200 epochs, batches of 256. Differs from it: the default is the softmax
        over the drawn rows, which others report to give better features than ``"nce"``; the
        learning rate moves every step.

    Example:
        >>> module = InstDiscModule("resnet18", num_images=1000)
        >>> module.objectives["contrast"].memory_bank.features.shape
        torch.Size([1000, 128])
    """

    policy = "instdisc"

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        num_images: int,
        num_negatives: int | None = 4096,
        estimator: Estimator = "softmax",
        temperature: float = 0.07,
        projector: ProjectorKind = "linear",
        projection_dim: int = 128,
        bank_momentum: float = 0.5,
        bank_in_host_memory: bool = False,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.03,
        weight_decay: float = 1e-4,
        final_weight_decay: float | None = None,
        decay: Decay = "all",
        sgd_momentum: float = 0.9,
        schedule: Schedule = "step",
        warmup: float = 0.0,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = None,
        batch_norm: BatchNormMode = "plain",
        batch_norm_groups: int = 8,
        join_views: bool = False,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(InstDiscModule.__init__, locals())
        backbone = open_backbone(backbone)
        contrast: MemoryBankContrast | SampledContrast
        if num_negatives is None:
            _refuse_without_draws(estimator, bank_in_host_memory)
            contrast = MemoryBankContrast(
                backbone.dim,
                InstanceDiscriminationLoss(temperature),
                num_images=num_images,
                projector=projector,
                projection_dim=projection_dim,
                bank_momentum=bank_momentum,
            )
        else:
            contrast = SampledContrast(
                backbone.dim,
                num_images,
                num_negatives=num_negatives,
                temperature=temperature,
                estimator=estimator,
                projector=projector,
                projection_dim=projection_dim,
                bank_momentum=bank_momentum,
                bank_in_host_memory=bank_in_host_memory,
            )
        super().__init__(backbone, {"contrast": contrast}, **run_arguments(locals()))
        self.save_hyperparameters(ignore=["backbone"])

    def on_fit_start(self) -> None:
        if self.hparams["bank_in_host_memory"]:
            _refuse_nccl()
        super().on_fit_start()

    def on_train_start(self) -> None:
        super().on_train_start()
        loader: Any = self.trainer.train_dataloader
        bank: Any = self.objectives["contrast"].memory_bank
        if getattr(loader, "batch_size", None) is not None:  # else its items are batches
            _check_num_images(bank.size, getattr(loader, "dataset", None))


def _refuse_without_draws(estimator: Estimator, bank_in_host_memory: bool) -> None:
    for name, is_set in (
        (f"`estimator`={estimator!r}", estimator == "nce"),
        ("`bank_in_host_memory`=True", bank_in_host_memory),
    ):
        if is_set:
            raise ValueError(
                f"{name} is for drawn rows, and `num_negatives`=None compares with all rows in "
                "each step. Set `num_negatives`, 4096 in the paper, or leave the other out."
            )


def _refuse_nccl() -> None:
    if world_size() > 1 and torch.distributed.get_backend() == "nccl":
        raise ValueError(
            "`bank_in_host_memory`=True is for a single GPU: NCCL, by which several share their "
            "numbers, does not send those of the host. Leave the rows on the GPUs."
        )


def _check_num_images(num_images: int, dataset: Any) -> None:
    """Before the first step, for a GPU must not be asked which positions a batch has."""
    try:
        count = len(dataset)
    except TypeError:
        return  # a stream, whose batches alone show it
    if count > num_images:
        raise ValueError(
            f"`num_images`={num_images}, but there are {count} training images. Set it to that "
            "number."
        )
    if count < num_images:
        rank_zero_warn(
            f"`num_images`={num_images}, but there are {count} training images: the other rows of "
            "the memory bank stay random. Set it to that number"
        )
