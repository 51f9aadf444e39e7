"""Precise batch norm: statistics of the weights as they are now."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from instdisc.checks import checked_call

from ... import distributed
from ...types import Objects
from .norms import FrozenBatchNorm

Batch = tuple[Tensor, Tensor, Sequence[Objects]]


@torch.no_grad()
@checked_call()
def precise_batch_norm(
    detector: nn.Module, batches: Iterable[Batch], num_batches: int = 200
) -> int:
    """Replaces the running statistics of every batch norm by those of some training batches.

    Running statistics follow weights that move; with few images per batch they lag. Here the
    weights stand still: ``mean = E[m_b]`` and ``var = E[v_b + m_b^2] - mean^2`` over the batches'
    means m_b and variances v_b, and over all processes. Frozen norms, weights and the mode of
    every module stay.

    Args:
        detector: in any mode; the batches pass it in training mode.
        batches: ``(images, sizes, objects)`` as a `Detector` takes them, on its device.
        num_batches: how many to use at most; the papers use 200.

    Returns:
        How many batches were used.

    Raises:
        ValueError: if `num_batches` is not positive, or there is no batch.

    Source:
        Wu and Johnson, "Rethinking 'Batch' in BatchNorm" (2021), section 3, as
        ``PRECISE_BN`` in MoCo's detection recipe. Differs from detectron2, which averages the
        variances within the batches alone and so leaves out the variance between them.
    """
    if num_batches < 1:
        raise ValueError(f"`num_batches` must be at least 1, got {num_batches}")
    norms = [
        module
        for module in detector.modules()
        if isinstance(module, _BatchNorm)
        and not isinstance(module, FrozenBatchNorm)
        and module.running_mean is not None
    ]
    modes = [(module, module.training) for module in detector.modules()]
    momenta = [norm.momentum for norm in norms]
    sums = [(torch.zeros_like(n.running_mean), torch.zeros_like(n.running_mean)) for n in norms]  # type: ignore[arg-type]
    detector.train()
    used = 0
    try:
        for norm in norms:
            norm.momentum = 1.0  # the running statistics are those of the last batch
        for images, sizes, objects in batches:
            detector(images, sizes, objects)
            for norm, (mean_sum, square_sum) in zip(norms, sums, strict=True):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                mean_sum += norm.running_mean
                square_sum += norm.running_var + norm.running_mean**2
            used += 1
            if used == num_batches:
                break
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
    if not used:
        raise ValueError("`batches` must give at least one batch, got none")
    flat = [total.div_(used) for pair in sums for total in pair]
    distributed.average(flat)
    for norm, (mean, square) in zip(norms, sums, strict=True):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_((square - mean**2).clamp(min=0))
    return used


def measure_norms(
    detector: nn.Module,
    trainer: Trainer,
    prepare: Callable[[Tensor, Tensor], Tensor],
    num_batches: int,
) -> None:
    """`precise_batch_norm` on what a Trainer's data module trains on, where it does.

    Args:
        detector: as there.
        trainer: of the test.
        prepare: images and their sizes to images as the detector takes them.
        num_batches: how many to use at most.
    """
    data: Any = getattr(trainer, "datamodule", None)
    if not is_overridden("train_dataloader", data):
        return

    def batches() -> Iterator[Batch]:
        # A loader of its own: the one of the training goes on where it is.
        for batch in itertools.islice(data.train_dataloader(), num_batches):
            batch = trainer.strategy.batch_to_device(batch)
            yield prepare(batch.images, batch.sizes), batch.sizes, batch.objects

    # It draws regions: the test depends on the weights alone, and the training goes on as if there
    # had been no test.
    with isolate_rng(), trainer.precision_plugin.forward_context():
        torch.manual_seed(0)
        precise_batch_norm(detector, batches(), num_batches)
