"""A loader whose order depends on seed and epoch alone, and that can continue within an epoch.

Legend: B batch per process, N images, W processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from instdisc import checks
from instdisc.distributed import rank, world_size
from instdisc.types import Views

from .batches.blocks import BatchForm, BlockForm
from .batches.coded import CodedDataset, CodedForm
from .batches.delivery import Delivery
from .batches.orders import Keys
from .batches.pieces import PieceLoader, SharedBatch
from .views.dataset import ViewDataset
from .views.finish import ViewFinisher


class ResumableLoader(DataLoader):
    """A loader of whole batches that can continue within an epoch; see `ViewLoader`.

    Args:
        dataset: makes batches from the keys of `sampler`.
        batch_size: B.
        sampler: has ``epoch`` and ``skip`` as `EpochSampler` has them.
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
            # Its own, so that beginning an epoch draws nothing from the network's dropout.
            generator=torch.Generator().manual_seed(seed),
        )
        self._batches_done = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # A generator: nothing is read before the first batch is asked for, so an epoch that is
        # set after iter(), as Lightning does, still counts.
        self._batches_done = self._keys().skip // (self.batch_size or 1)
        for batch in self.batches():
            self._batches_done += 1
            yield batch

    def batches(self) -> Iterator[Any]:
        """The batches of the epoch that the sampler stands at; counted when they are handed out."""
        return map(self.finish, super().__iter__())

    def finish(self, batch: Any) -> Any:
        """What is handed out for a batch that a worker made."""
        return batch

    def state_dict(self) -> dict[str, int]:
        """Where the loader stands: the epoch and the batches of it that were handed out."""
        return {"epoch": self._keys().epoch, "batches": self._batches_done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continues after the last batch that was handed out before ``state_dict()``."""
        sampler = self._keys()
        sampler.set_epoch(state["epoch"])
        self._batches_done = state["batches"]
        unfinished = state["batches"] < len(self)
        sampler.skip = state["batches"] * (self.batch_size or 1) if unfinished else 0

    def _keys(self) -> Any:
        return self.sampler  # typed as any sampler by torch


def _as_it_is(batch: Any) -> Any:
    return batch  # the data set makes whole batches


class PredictLoader:
    """The batches of a loader, for ``Trainer.predict``.

    Into a `DataLoader` Lightning would put a sampler of its own there, which a loader of whole
    batches cannot take; this it leaves as it is.

    Args:
        loader: gives each image once.
    """

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Any]:
        return iter(self._loader)

    def __len__(self) -> int:
        return len(self._loader)


class ViewLoader(ResumableLoader):
    """Batches of views, `Views` by `Views`.

    Batch k of the global batch size is the same set of images on any number of processes. The
    position within the epoch is part of ``state_dict()``, which Lightning puts into checkpoints,
    so a resumed run continues with the next batch.

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

    Raises:
        ValueError: if `batch_size` is not positive, or exceeds the images of a process while
            `drop_last` is set: not one batch would come; if the data set leaves its views uncut
            and neither `raw` nor `finish` is set; or if `raw` is set together with `finish` or
            with another `device` than the CPU.

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
        sampler = EpochSampler(dataset, seed=dataset.seed, shuffle=shuffle)
        if drop_last and batch_size > len(sampler):
            raise ValueError(
                f"`batch_size`={batch_size} exceeds the {len(sampler)} images of this process: "
                "with drop_last=True not one batch would come. Make the batch smaller."
            )
        super().__init__(
            dataset,
            batch_size,
            sampler=sampler,
            seed=dataset.seed,
            drop_last=drop_last,
            num_workers=num_workers,
            pin_memory=pin_memory or device.type == "cuda",
        )
        self._delivery = None if raw else Delivery(device, finish or ViewFinisher(dataset.policies))
        self._pieces: PieceLoader | None = None

    def batches(self) -> Iterator[Any]:
        if self._delivery is None:
            return super().batches()
        return self._delivery(self._shared() if self.num_workers else super().batches())

    def _shared(self) -> Iterator[SharedBatch]:
        """What the workers put together, from where the sampler stands."""
        assert self._delivery is not None
        size, sampler = self.batch_size or 1, self._keys()
        if self._pieces is None:
            self._pieces = PieceLoader(
                self._form(),
                num_workers=self.num_workers,
                batches=partial(_batches_of_keys, sampler, size, self.drop_last),
                goes_on=sampler.shuffle,
                generator=self.generator,
                page_lock=self._delivery.device.type == "cuda",
            )
        first, sampler.skip = sampler.skip // size, 0
        return self._pieces.run(sampler.epoch, first, len(self))

    def _form(self) -> BlockForm:
        """How a batch comes from the workers."""
        size, data = self.batch_size or 1, self.dataset
        return CodedForm(data, size) if isinstance(data, CodedDataset) else BatchForm(data, size)


class EpochSampler(DistributedSampler):
    """Yields ``(epoch, index)``; process r of W takes every W-th position from r.

    A `DistributedSampler` by name, so that Lightning leaves it in place. Rank and world are
    asked for when an epoch begins, since a loader may be made before the processes meet.

    Args:
        dataset: whose length counts.
        seed: of the order.
        shuffle: whether the order is random.

    Attributes:
        skip: how many images of this process the next pass, and only that, leaves out.
    """

    def __init__(self, dataset: ViewDataset, *, seed: int, shuffle: bool) -> None:
        super().__init__(dataset, num_replicas=1, rank=0, shuffle=shuffle, seed=seed)
        self.skip = 0

    def __iter__(self) -> Iterator[Any]:
        # Spent at once: a pass that is broken off must not shorten the one after it.
        skip, self.skip = self.skip, 0
        yield from self.keys(self.epoch)[skip:]

    def keys(self, epoch: int) -> list[tuple[int, int]]:
        """What comes in an epoch."""
        count = len(self.dataset)  # type: ignore[arg-type]
        if self.shuffle:
            # Not seed + epoch: then run 1 would repeat run 0 one epoch later.
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            order = torch.randperm(count, generator=generator)
        else:
            order = torch.arange(count)
        share = order[rank() :: world_size()]
        if self.shuffle:
            share = share[: len(self)]  # equal shares for training
        return [(epoch, index) for index in share.tolist()]

    def __len__(self) -> int:
        count, processes = len(self.dataset), world_size()  # type: ignore[arg-type]
        return count // processes if self.shuffle else len(range(rank(), count, processes))


def _batches_of_keys(
    sampler: EpochSampler, size: int, drop_last: bool, epoch: int, first: int
) -> Iterator[Keys]:
    """The keys of each batch of an epoch, from a batch on."""
    keys = sampler.keys(epoch)
    end = len(keys) - size + 1 if drop_last else len(keys)
    return (keys[start : start + size] for start in range(first * size, end, size))
