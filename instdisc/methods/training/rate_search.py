"""A search for the learning rate, as Lightning's `Tuner.lr_find` makes it.

Legend: B batch on this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning.utilities import rank_zero_info

from instdisc.distributed import gather

from ..objectives import Contrast

if TYPE_CHECKING:
    from .run import RunModule


def begin_rate_search(module: RunModule) -> None:
    """Fills the queues with keys, if the run that begins is such a search; for ``on_train_start``.

    The loss against the random keys of a new queue is low, and rises as images' keys replace them,
    whatever the rate: a search of 100 steps would see nothing else. So it begins where the queue
    of a run is after its first steps, with the weights as they are. Lightning gives weights and
    queue back when the search is over.

    Args:
        module: about to train.
    """
    queues = [part for part in module.objectives.values() if isinstance(part, Contrast)]
    if not queues or not _searches(module.trainer):
        return
    fill = [part for part in queues if int(part.queue.pushed) < part.queue.size]
    if not fill:
        return
    rank_zero_info(
        f"The search for the learning rate begins with full queues: the keys of "
        f"{max(part.queue.size for part in fill)} images are made first"
    )
    precision = module.trainer.precision_plugin
    with torch.no_grad(), precision.forward_context():
        for number, (images, labels) in enumerate(_batches(module)):
            seen = dict.fromkeys(view for part in fill for view in part.keys)
            keys = {view: module.encode_keys(images[view], number) for view in seen}  # (B, dim)
            for part in fill:
                features = keys[part.keys[0]]
                part.queue.push(gather(part.momentum_projector(features)), gather(labels))
            if all(int(part.queue.pushed) >= part.queue.size for part in fill):
                return


def _searches(trainer: Any) -> bool:
    """Its schedules are private classes of Lightning."""
    schedules = [config.scheduler for config in trainer.lr_scheduler_configs]
    return any(type(schedule).__module__.endswith("tuner.lr_finder") for schedule in schedules)


def _batches(module: RunModule) -> Iterator[Any]:
    """Training batches, again and again; of a loader of its own, where there is a data module."""
    trainer: Any = module.trainer
    loader = trainer.train_dataloader
    if trainer.datamodule is not None:
        loader = trainer.datamodule.train_dataloader()
    while True:
        count = 0
        for batch in loader:
            batch = module._on_before_batch_transfer(trainer.precision_plugin.convert_input(batch))
            count += 1
            yield trainer.strategy.batch_to_device(batch)[:2]
        if not count:
            return
