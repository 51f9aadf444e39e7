"""Loaders of images with objects: a number of training steps, or one pass to test.

Legend: B batch per process, N images, W processes, G = B W global batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from instdisc import checks
from instdisc.distributed import rank, world_size

from ..loader import ResumableLoader
from .dataset import ObjectDataset


class ObjectLoader(ResumableLoader):
    """Batches of images with objects, `ObjectBatch` by `ObjectBatch`.

    For training, an epoch of the loader is a number of steps. The images come in the order of a new
    permutation for each pass over the data set, one pass right after the other, so that every
    batch is full. Step k takes the same G images on any number of processes; within a step they go
    to the processes by their shape, so that batches have little padding. The position is part of
    ``state_dict()``, and a resumed run continues with the next step.

    Args:
        dataset: what to load.
        batch_size: B.
        iterations: steps per epoch; ``None`` for one pass over all images in order, to test.
        num_workers: processes that read and resize; 0 does it in the main process.
        pin_memory: page-locked batches for a faster copy to a GPU.

    Raises:
        ValueError, TypeError: if `batch_size` or `iterations` is not positive.

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
    ) -> None:
        checks.arguments(
            ObjectLoader.__init__,
            locals(),
            batch_size=checks.whole,
            iterations=checks.whole,
            num_workers=checks.count,
        )
        super().__init__(
            dataset,
            batch_size,
            sampler=StepSampler(dataset, batch_size, iterations),
            num_workers=num_workers,
            pin_memory=pin_memory,
            seed=dataset.seed,
        )

    def finish(self, batch: Any) -> Any:
        return batch.unpack()


class StepSampler(DistributedSampler):
    """Yields ``(epoch, index, step)``, B for each step.

    A `DistributedSampler` by name, so that Lightning leaves it in place.

    Args:
        dataset: whose images are drawn.
        batch_size: B.
        iterations: steps; ``None`` for one pass in order.

    Attributes:
        skip: how many images of this process the next pass, and only that, leaves out.
    """

    def __init__(self, dataset: ObjectDataset, batch_size: int, iterations: int | None) -> None:
        super().__init__(dataset, num_replicas=1, rank=0, seed=dataset.seed)
        self.batch_size = batch_size
        self.iterations = iterations
        self.skip = 0
        heights, widths = dataset.source.sizes.double().unbind(1)
        self._shapes = widths / heights  # (N,)
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))  # the last epoch's

    def __iter__(self) -> Iterator[Any]:
        # Spent at once: a pass that is broken off must not shorten the one after it.
        skip, self.skip = self.skip, 0
        if self.iterations is None:
            for index in range(len(self._shapes))[rank() :: world_size()][skip:]:
                yield (0, index, 0)
            return
        first = self.epoch * self.iterations
        for step in range(first + skip // self.batch_size, first + self.iterations):
            yield from self._step(step)

    def __len__(self) -> int:
        if self.iterations is None:
            return len(range(rank(), len(self._shapes), world_size()))
        return self.iterations * self.batch_size

    def _step(self, step: int) -> list[tuple[int, int, int]]:
        count, group = len(self._shapes), self.batch_size * world_size()
        places = range(step * group, (step + 1) * group)
        drawn = [(place // count, self._image(*divmod(place, count)), step) for place in places]
        # A stable sort: the same on every process.
        drawn.sort(key=lambda key: float(self._shapes[key[1]]))
        return drawn[rank() * self.batch_size : (rank() + 1) * self.batch_size]

    def _image(self, epoch: int, place: int) -> int:
        if self._order[0] != epoch:
            # Not seed + epoch: then run 1 would repeat run 0 one epoch later.
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order = epoch, torch.randperm(len(self._shapes), generator=generator)
        return int(self._order[1][place])
