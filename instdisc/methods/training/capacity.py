"""Which batches batch norm's groups and the queues of a method can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instdisc.distributed import world_size
from instdisc.models.norm_forms import has_batch_norm

from ..objectives import Objective

if TYPE_CHECKING:
    from .run import RunModule


def check_capacity(module: RunModule) -> None:
    """Refuses a run whose batches do not fit the method, before its first step.

    A loader without a ``batch_size`` is not checked here: the first batch that does not fit is
    refused.

    Args:
        module: about to train, perhaps again.

    Raises:
        ValueError: if the groups of batch norm do not divide the batch, if a queue is shorter
            than the global batch, or if a run goes on with more processes than its batch norm has
            groups, which would then be others than before.
    """
    trainer: Any = module.trainer
    size: int | None = getattr(trainer.train_dataloader, "batch_size", None)
    processes = world_size()
    groups = module.batch_norm.groups
    in_groups = module.batch_norm.mode == "shuffled" and has_batch_norm(module.backbone)
    before = module.settings.previous("devices")
    same = module.settings.previous("batch_norm_groups") == groups
    if in_groups and same and before is not None and max(groups, before) != max(groups, processes):
        raise ValueError(
            f"`batch_norm_groups`={groups} on {processes} processes makes {max(groups, processes)} "
            f"groups, where the run had {max(groups, before)} on {before}: batch norm would be "
            f"another. Use at most {max(groups, before)} processes, or set `batch_norm_groups`="
            f"{max(groups, processes)} to go on so."
        )
    if size is None:
        return
    here = max(1, groups // processes)
    then = module.settings.previous("batch_size")
    changed = f" (it was {then} before)" if then not in (None, size) else ""
    if in_groups and size % here:
        raise ValueError(
            f"`batch_size`={size}{changed} cannot be normalised in {here} equal groups: "
            f"`batch_norm_groups`={groups} over {processes} processes. Use a batch that they "
            "divide, or other groups."
        )
    for objective in module.objectives.values():
        assert isinstance(objective, Objective)
        most = objective.largest_batch
        if most is not None and size * processes > most:
            raise ValueError(
                f"`queue_size`={most} is smaller than the global batch of "
                f"{size * processes} images: `batch_size`={size}{changed} on {processes} "
                "processes. Make the batch smaller, or begin a new run with a longer queue."
            )
