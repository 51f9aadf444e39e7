"""Loaders of images with objects: a number of training steps, or one pass to test.

Legend: B batch per process, N images, W processes, G = B W global batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler, Sampler, SequentialSampler

from instdisc import checks
from instdisc.distributed import rank, world_size

from ..loader import ResumableLoader
from ..sampling import is_made_again, share_of
from .dataset import ObjectDataset


class ObjectLoader(ResumableLoader):
    """Batches of images with objects, `ObjectBatch` by `ObjectBatch`.

    For training, an epoch of the loader is a number of steps. The images come in the order of a new
    permutation for each pass over the data set, one pass right after the other, so that every
    batch is full. Step k takes the same G images on any number of processes; within a step they go
    to the processes by their shape, so that batches have little padding. The position is part of
    ``state_dict()``, and a resumed run continues with the next step, also with steps of another
    size: then the epoch is as many images long as its number of such steps takes.

    Args:
        dataset: what to load.
        batch_size: B.
        iterations: steps per epoch; ``None`` for one pass over all images in order, to test.
        num_workers: processes that read and resize; 0 does it in the main process.
        pin_memory: page-locked batches for a faster copy to a GPU.
        shuffle: whether the images of the steps come in a random order; else in that of the data
            set, and each epoch begins anew.
        sampler: for Lightning, which makes a loader again for ``Trainer(overfit_batches=)`` and
            ``Trainer.predict``: then the images come in order.
        batch_sampler: likewise; ``None``.

    Raises:
        ValueError, TypeError: if `batch_size` or `iterations` is not positive, or if `sampler` or
            `batch_sampler` is not Lightning's.

    Example:
        >>> from instdisc.data import ObjectPolicy, SceneObjects, Scenes
        >>> data = ObjectDataset(SceneObjects(Scenes(4, image_size=48)), ObjectPolicy([48]))
        >>> [batch.indices.tolist() for batch in ObjectLoader(data, 2, iterations=3)]
        [[0, 1], [3, 2], [1, 3]]
    """

    def __init__(
        self,
        dataset: ObjectDataset,
        batch_size: int,
        *,
        iterations: int | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        shuffle: bool = True,
        sampler: Sampler | None = None,
        batch_sampler: None = None,
    ) -> None:
        checks.arguments(
            ObjectLoader.__init__,
            locals(),
            batch_size=checks.whole,
            iterations=checks.whole,
            num_workers=checks.count,
        )
        shuffle = shuffle and not is_made_again(sampler, batch_sampler) and iterations is not None
        self.iterations = iterations
        super().__init__(
            dataset,
            batch_size,
            sampler=(StepSampler if shuffle else OrderedStepSampler)(
                dataset, batch_size, iterations, shuffle=shuffle
            ),
            num_workers=num_workers,
            pin_memory=pin_memory,
            seed=dataset.seed,
        )

    def hand_out(self, batch: Any) -> Any:
        return batch.unpack()

    def state_dict(self) -> dict[str, int]:
        """Where the loader stands: the epoch, its images that all processes have, those before."""
        state = super().state_dict()
        return {**state, "before": self._keys().first_place(state["epoch"])}

    def load_state_dict(self, state: dict[str, int]) -> None:
        super().load_state_dict(state)
        sampler = self._keys()
        before = state.get("before", sampler.first_place(state["epoch"]))
        sampler.mark(state["epoch"], before, self._images_done)


class StepSampler(DistributedSampler):
    """Yields ``(epoch, index, step)``, B for each step.

    A `DistributedSampler` by name, so that Lightning leaves it in place.

    Args:
        dataset: whose images are drawn.
        batch_size: B.
        iterations: steps; ``None`` for one pass in order.
        shuffle: whether the order of the steps' images is random.

    Attributes:
        skip: how many images of all processes the next pass, and only that, leaves out.
    """

    def __init__(
        self,
        dataset: ObjectDataset,
        batch_size: int,
        iterations: int | None,
        *,
        shuffle: bool = True,
    ) -> None:
        super().__init__(dataset, num_replicas=1, rank=0, seed=dataset.seed, shuffle=shuffle)
        self.batch_size = batch_size
        self.iterations = iterations
        self.skip = 0
        heights, widths = dataset.source.sizes.double().unbind(1)
        self._shapes = widths / heights  # (N,)
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))  # the last epoch's
        self._mark: tuple[int, int, int] | None = None

    @property
    def num_images(self) -> int:
        """Images of an epoch, of all processes: N, or G for each step."""
        if self.iterations is None:
            return len(self._shapes)
        return self.iterations * self.batch_size * world_size()

    def first_place(self, epoch: int) -> int:
        """How many images come before an epoch, in all epochs together; in order none."""
        if not self.shuffle:
            return 0
        if self._mark is None or epoch < self._mark[0]:
            return epoch * self.num_images
        marked, place, count = self._mark
        return place + (epoch > marked) * (count + (epoch - marked - 1) * self.num_images)

    def mark(self, epoch: int, place: int, done: int) -> None:
        """Notes that an epoch began at a place, and that `done` of its images have come.

        Its steps may be of another size from then on; where it ends, the next one begins.
        """
        size = self.batch_size * world_size()
        left = max(0, self.num_images - done) // size * size
        self._mark = epoch, place, done + left

    def __iter__(self) -> Iterator[Any]:
        # Spent at once: a pass that is broken off must not shorten the one after it.
        skip, self.skip = self.skip, 0
        size = self.batch_size * world_size()
        if self.iterations is None:
            for first in range(skip, self.num_images, size):
                rows = range(first, min(first + size, self.num_images))
                yield from ((0, index, 0) for index in rows[rank() :: world_size()])
            return
        before = self.first_place(self.epoch)
        for done in range(skip, self.num_images - size + 1, size):
            yield from self._step(before + done, size)

    def __len__(self) -> int:
        if self.iterations is None:
            return len(range(rank(), len(self._shapes), world_size()))
        return self.iterations * self.batch_size

    def _step(self, first: int, size: int) -> list[tuple[int, int, int]]:
        count, step = len(self._shapes), first // size
        places = range(first, first + size)
        drawn = [(place // count, self._image(*divmod(place, count)), step) for place in places]
        # A stable sort: the same on every process.
        drawn.sort(key=lambda key: float(self._shapes[key[1]]))
        return share_of(drawn)

    def _image(self, epoch: int, place: int) -> int:
        if not self.shuffle:
            return place
        if self._order[0] != epoch:
            # Not seed + epoch: then run 1 would repeat run 0 one epoch later.
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order = epoch, torch.randperm(len(self._shapes), generator=generator)
        return int(self._order[1][place])


class OrderedStepSampler(StepSampler, SequentialSampler):
    """One without shuffling, which Lightning sees by its name."""
