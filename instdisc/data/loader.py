"""A loader whose order depends on seed and epoch alone, and that can continue within an epoch.

Legend: B batch per process, N images, W processes, G = B W global batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from instdisc import checks
from instdisc.distributed import world_size
from instdisc.types import Views

from .batches.blocks import BatchForm, BlockForm
from .batches.coded import CodedDataset, CodedForm
from .batches.delivery import Delivery
from .batches.orders import Keys
from .batches.pieces import PieceLoader, SharedBatch
from .batches.signals import leave_requeue_to_the_run
from .sampling import EpochSampler, OrderedSampler, is_made_again
from .views.dataset import ViewDataset
from .views.finish import ViewFinisher


class ResumableLoader(DataLoader):
    """A loader of whole batches that can continue within an epoch; see `ViewLoader`.

    Args:
        dataset: makes batches from the keys of `sampler`.
        batch_size: B.
        sampler: has ``epoch``, ``skip`` and ``num_images`` as `EpochSampler` has them.
        seed: of the data set.
        drop_last: leave out the last, smaller batch.
        num_workers: processes that make batches; 0 does it in the main process.
        pin_memory: page-locked batches for a faster copy to a GPU.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        sampler: DistributedSampler,
        seed: int,
        drop_last: bool = False,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(
            dataset,
            batch_size,
            sampler=sampler,
            drop_last=drop_last,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            worker_init_fn=leave_requeue_to_the_run,
            # Its own, so that beginning an epoch draws nothing from the network's dropout.
            generator=torch.Generator().manual_seed(seed),
        )
        self._images_done = 0
        # With a batch sampler of ours in it, Lightning would make the loader for `predict` again
        # around one of its own, with another batch size.
        self._batch_sampler = self.batch_sampler
        object.__setattr__(self, "batch_sampler", None)

    @property
    def _auto_collation(self) -> bool:
        return True

    @property
    def _index_sampler(self) -> Any:
        return self._batch_sampler

    @property
    def images_per_epoch(self) -> int:
        """Images of an epoch, of all processes together; without ``drop_last`` all come."""
        count: int = self._keys().num_images
        return count

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # A generator: nothing is read before the first batch is asked for, so an epoch that is
        # set after iter(), as Lightning does, still counts.
        self._images_done = self._keys().skip
        for batch in self.batches():
            self._images_done = min(self._images_done + self._global_batch, self.images_per_epoch)
            yield batch

    def batches(self) -> Iterator[Any]:
        """The batches of the epoch that the sampler stands at; counted when they are handed out."""
        return map(self.hand_out, super().__iter__())

    def hand_out(self, batch: Any) -> Any:
        """What is handed out for a batch that a worker made."""
        return batch

    def state_dict(self) -> dict[str, int]:
        """Where the loader stands: the epoch, and the images of it that all processes have."""
        return {"epoch": self._keys().epoch, "images": self._images_done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continues after the last image that was handed out before ``state_dict()``.

        Batch size and number of processes may be others than before. An epoch of which no batch
        is left is begun anew, as the next.

        Args:
            state: of `state_dict`; one of release 0.1.0, which counts batches, is read as well.
        """
        sampler = self._keys()
        sampler.set_epoch(state["epoch"])
        if "images" in state:
            images = state["images"]
        else:
            images = min(state["batches"] * self._global_batch, self.images_per_epoch)
        self._images_done = images
        needed = self._global_batch if self.drop_last else 1
        sampler.skip = images if images + needed <= self.images_per_epoch else 0

    @property
    def _global_batch(self) -> int:
        return (self.batch_size or 1) * world_size()

    def _keys(self) -> Any:
        return self.sampler  # typed as any sampler by torch


def _as_it_is(batch: Any) -> Any:
    return batch  # the data set makes whole batches


class ViewLoader(ResumableLoader):
    """Batches of views, `Views` by `Views`.

    A batch of G images is the same on any number of processes: process r has its block of B in
    it. The position within the epoch is part of ``state_dict()``, which Lightning puts into
    checkpoints, so a resumed run continues with the next image, also in batches of another size
    and on another number of processes.

    Workers put a batch together piece by piece, in memory that they share. On a GPU it is copied
    and finished on a stream of its own, one batch ahead of the one that is handed out.

    Args:
        dataset: what to load.
        batch_size: B.
        shuffle: a new order each epoch, from the data set's seed.
        drop_last: leave out the last, smaller batch.
        num_workers: processes that read and cut; 0 does it in the main process. While the last
            batches of an epoch are used they begin the next, if it is shuffled.
        pin_memory: page-locked batches for a faster copy to a GPU; of raw batches.
        raw: yield what the data set makes, for someone who finishes it.
        device: where the views are finished and handed out.
        finish: makes `Views` of what the data set makes, on `device`; ``None`` for
            ``ViewFinisher(dataset.policies)``.
        sampler: for Lightning, which makes a loader again for ``Trainer(overfit_batches=)`` and
            ``Trainer.predict``: then the images come in order, and for ``predict`` all of them.
        batch_sampler: likewise; ``None``.

    Raises:
        ValueError: if `batch_size` is not positive, or exceeds the images of a process while
            `drop_last` is set: not one batch would come; if the data set leaves its views uncut
            and neither `raw` nor `finish` is set; or if `raw` is set together with `finish` or
            with another `device` than the CPU; or if `sampler` or `batch_sampler` is not
            Lightning's.

    Example:
        >>> from instdisc.data import Scenes, view_policy
        >>> views = ViewDataset(Scenes(8, image_size=32), [view_policy("zhao_fr", 32)] * 2)
        >>> images, labels, indices = next(iter(ViewLoader(views, 4)))
        >>> len(images), images[0].shape, labels.shape
        (2, torch.Size([4, 3, 32, 32]), torch.Size([4]))
    """

    dataset: ViewDataset

    def __init__(
        self,
        dataset: ViewDataset,
        batch_size: int,
        *,
        shuffle: bool = True,
        drop_last: bool = True,
        num_workers: int = 0,
        pin_memory: bool = False,
        raw: bool = False,
        device: torch.device | str = "cpu",
        finish: Callable[[Any], Views] | None = None,
        sampler: Sampler | None = None,
        batch_sampler: None = None,
    ) -> None:
        # Images with masks come as a data set of another class.
        checks.instance("dataset", dataset, Dataset, "a data set of views")
        others = {name: value for name, value in locals().items() if name != "dataset"}
        checks.arguments(
            ViewLoader.__init__, others, batch_size=checks.whole, num_workers=checks.count
        )
        device = checks.device("device", device)
        if not (raw or finish or dataset.cut):
            raise ValueError("`raw` must be True, or `finish` set, for a data set with `cut`=False")
        if raw and (finish is not None or device.type != "cpu"):
            raise ValueError(
                "`raw` batches are handed out as they are: leave out `finish` and `device`, got "
                f"{finish} and {str(device)!r}"
            )
        if isinstance(dataset, CodedDataset) and (raw or not num_workers):
            raise ValueError(
                "`num_workers` must be at least 1 and `raw` False for files that the device "
                f"decodes, got {num_workers} and {raw}"
            )
        if is_made_again(sampler, batch_sampler):
            shuffle, drop_last = False, drop_last and not isinstance(sampler, EpochSampler)
        keys = (EpochSampler if shuffle else OrderedSampler)(
            dataset, batch_size, seed=dataset.seed, shuffle=shuffle
        )
        if drop_last and batch_size > len(keys):
            raise ValueError(
                f"`batch_size`={batch_size} exceeds the {len(keys)} images of this process: "
                "with drop_last=True not one batch would come. Make the batch smaller."
            )
        super().__init__(
            dataset,
            batch_size,
            sampler=keys,
            seed=dataset.seed,
            drop_last=drop_last,
            num_workers=num_workers,
            pin_memory=pin_memory or device.type == "cuda",
        )
        self.raw, self.device, self.finish = raw, device, finish  # to be made again
        self._delivery = None if raw else Delivery(device, finish or ViewFinisher(dataset.policies))
        self._pieces: PieceLoader | None = None

    def batches(self) -> Iterator[Any]:
        if self._delivery is None:
            return super().batches()
        return self._delivery(self._shared() if self.num_workers else super().batches())

    def _shared(self) -> Iterator[SharedBatch]:
        """What the workers put together, from where the sampler stands."""
        assert self._delivery is not None
        sampler = self._keys()
        if self._pieces is None:
            self._pieces = PieceLoader(
                self._form(),
                num_workers=self.num_workers,
                # Not of this loader: who makes batches would keep it, and so its workers, for ever.
                batches=partial(_batches_of_keys, sampler, self._least),
                goes_on=sampler.shuffle,
                generator=self.generator,
                page_lock=self._delivery.device.type == "cuda",
            )
        start, sampler.skip = sampler.skip, 0
        return self._pieces.run(sampler.epoch, sampler.starts(start, drop_last=self.drop_last))

    @property
    def _least(self) -> int:
        """Images of the smallest batch that is handed out."""
        return (self.batch_size or 1) if self.drop_last else 1

    def _form(self) -> BlockForm:
        """How a batch comes from the workers."""
        size, data = self.batch_size or 1, self.dataset
        return CodedForm(data, size) if isinstance(data, CodedDataset) else BatchForm(data, size)


def _batches_of_keys(sampler: EpochSampler, least: int, epoch: int, start: int) -> Iterator[Keys]:
    """The keys of each batch of an epoch, from an image on, but for a smaller one at its end."""
    return (keys for keys in sampler.batches(epoch, start) if len(keys) >= least)
