"""Batches of images and masks.

Legend: B batch, H x W size of an image, n numbers of a policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from instdisc import checks
from instdisc.checks import whole
from instdisc.types import SegmentBatch

from ..views.draws import Draws
from .policy import SegmentPolicy, pad_pair
from .source import SegmentSource


class RawSegments(NamedTuple):
    """A batch between worker and device: the colours are still to be changed.

    Attributes:
        batch: images, masks, sizes and positions.
        numbers: ``(B, n)`` float32 for the photometric steps.
    """

    batch: SegmentBatch
    numbers: Tensor

    def finish(self, policy: SegmentPolicy) -> SegmentBatch:
        """The device's part; draws nothing."""
        images = policy.apply(self.batch.images, self.numbers, self.batch.sizes)
        return self.batch._replace(images=images)


class SegmentDataset(Dataset):
    """Crops of each image of a source, or whole images.

    It is indexed by ``(epoch, index)``, batch by batch, like `ViewDataset`, so `ViewLoader`
    serves it with ``raw=True``.

    Args:
        segments: where images and masks come from.
        policy: how crops are made; ``None`` for whole images, padded to the largest of a batch.
        seed: of all random numbers; 0 to 2**32 - 1.

    Raises:
        ValueError: if `segments` is empty or `seed` is out of range.

    Example:
        >>> from instdisc.data import SceneSegments, Scenes
        >>> dataset = SegmentDataset(SceneSegments(Scenes(8, image_size=32)), SegmentPolicy(24))
        >>> raw = dataset.batch([(0, 5), (0, 2)])  # epoch 0, images 5 and 2
        >>> raw.batch.images.shape, raw.batch.indices
        (torch.Size([2, 3, 24, 24]), tensor([5, 2]))
    """

    def __init__(
        self, segments: SegmentSource, policy: SegmentPolicy | None = None, *, seed: int = 0
    ) -> None:
        checks.arguments(SegmentDataset.__init__, locals(), seed=checks.count)
        if not len(segments):
            raise ValueError("`segments` must hold at least one image, got none")
        whole("seed", seed, at_least=0, at_most=2**32 - 1)
        self.segments = segments
        self.policy = policy
        self.seed = seed

    def __len__(self) -> int:
        return len(self.segments)

    def __getitem__(self, key: tuple[int, int]) -> RawSegments | SegmentBatch:
        return self.batch([key])

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> RawSegments | SegmentBatch:
        return self.batch(keys)

    def batch(self, keys: Sequence[tuple[int, int]]) -> RawSegments | SegmentBatch:
        """Several images, ``(epoch, index)`` each, all of one epoch."""
        epoch = keys[0][0]
        fetched = [self.segments.fetch_pair(index) for _, index in keys]
        positions = torch.tensor([position for position, _, _ in fetched])
        if self.policy is None:
            shapes = [mask.shape for _, _, mask in fetched]
            sizes = torch.tensor(shapes)
            largest = (int(sizes[:, 0].max()), int(sizes[:, 1].max()))
            pairs = [pad_pair(image, mask, largest) for _, image, mask in fetched]
            return _stack(pairs, sizes, positions)
        drawn = self.policy.draw(Draws(self.seed, epoch, [index for _, index in keys], 0))
        crops = [
            self.policy.cut(image, mask, numbers)
            for (_, image, mask), numbers in zip(fetched, drawn.frame, strict=True)
        ]
        cut = [(crop.image, crop.mask) for crop in crops]
        batch = _stack(cut, torch.tensor([crop.size for crop in crops]), positions)
        return RawSegments(batch, drawn.photometric)


def _stack(
    pairs: Sequence[tuple[Tensor, Tensor]], sizes: Tensor, positions: Tensor
) -> SegmentBatch:
    images, masks = zip(*pairs, strict=True)
    return SegmentBatch(torch.stack(images), torch.stack(masks), sizes, positions)
