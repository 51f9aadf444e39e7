"""A search for the batch size, as Lightning's `Tuner.scale_batch_size` makes it.

Legend: B batch, G groups of batch norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytorch_lightning.callbacks import BatchSizeFinder
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.parsing import lightning_setattr

from instdisc.models import split_batch_norm
from instdisc.models.norm_forms import has_batch_norm

if TYPE_CHECKING:
    from .run import RunModule


class BatchSizeSearch:
    """Lets the trials of a search run in any size, and ends it with one that batch norm can follow.

    Lightning begins with 2 images, doubles, halves the distance between two sizes and takes 5 % off
    at last. Of a size that G groups do not divide, or of one image a group, a trial is normalised
    in fewer groups: that takes the same memory. What the search ends with is rounded down to a
    multiple of G, and is at least 2 G.
    """

    def __init__(self) -> None:
        self._finder: BatchSizeFinder | None = None
        self._tried = False

    def begin_fit(self, module: RunModule) -> None:
        """Looks whether the run begins with a search; for ``setup``."""
        callbacks: list[Any] = module.trainer.callbacks  # type: ignore[attr-defined]
        finders = [each for each in callbacks if isinstance(each, BatchSizeFinder)]
        self._finder, self._tried = finders[0] if finders else None, False

    def begin_trial(self, module: RunModule) -> bool:
        """Splits batch norm as the batch allows, if a trial begins; for ``on_train_start``.

        Returns:
            Whether it is one.
        """
        if self._finder is None:
            return False
        self._tried = True
        size = getattr(module.trainer.train_dataloader, "batch_size", None)
        if size is not None and _groups(module) > 1:
            for net in _networks(module):
                split_batch_norm(net, _fitting(size, _groups(module)))
        return True

    def end(self, module: RunModule) -> None:
        """Makes the size one that batch norm can follow; for ``on_fit_start`` and ``teardown``."""
        finder, groups, trainer = self._finder, _groups(module), module._trainer
        self._finder = None
        if finder is None or trainer is None or not self._tried or groups == 1:
            return
        for net in _networks(module):
            module.batch_norm.prepare(net)
        size = finder.optimal_batch_size or 0
        valid = max(2 * groups, size // groups * groups)
        if valid == size:
            return
        rank_zero_info(
            f"The search ended with `{finder._batch_arg_name}`={size}; {valid} is taken, for batch "
            f"norm in {groups} groups needs a multiple of them and several images in each"
        )
        finder.optimal_batch_size = valid
        lightning_setattr(module, finder._batch_arg_name, valid)
        trainer.fit_loop._combined_loader = None  # made anew where the run goes on


def _groups(module: RunModule) -> int:
    """G; 1 where batch norm is not split. The search is for runs of one process alone."""
    policy = module.batch_norm
    return policy.groups if policy.mode == "shuffled" and has_batch_norm(module.backbone) else 1


def _fitting(size: int, groups: int) -> int:
    """The most groups, up to G, that divide B and have several images each.

    Example:
        >>> [_fitting(size, 8) for size in (2, 4, 8, 16, 60)]
        [1, 2, 4, 8, 6]
    """
    return next(n for n in range(groups, 0, -1) if n == 1 or (size % n == 0 and size >= 2 * n))


def _networks(module: RunModule) -> list[Any]:
    return [net for net in (module.backbone, module.momentum_backbone) if net is not None]
