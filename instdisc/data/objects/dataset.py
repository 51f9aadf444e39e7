"""From images with objects to batches of them.

Legend: B images of a batch, N objects of an image, M objects of the batch, H x W size of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from instdisc import checks
from instdisc.checks import whole
from instdisc.types import ObjectBatch, Objects

from ..views.draws import Draws
from .policy import ObjectPolicy, for_training
from .source import ObjectSource

_PER_BATCH = 2**32 - 1  # the stream of numbers for what is drawn once per batch
Key = tuple[int, int, int]  # epoch, position in the data set, step of the run


class PackedObjects(NamedTuple):
    """A batch on its way from a worker: few tensors, since each costs an open file.

    Attributes:
        objects: of all images, one image after the other; their masks are ``(M, H, W)``.
        counts: B numbers of objects.
        images: as in `ObjectBatch`, and so the others.
    """

    objects: Objects
    counts: list[int]
    images: Tensor
    sizes: Tensor
    indices: Tensor
    original_sizes: Tensor

    def unpack(self) -> ObjectBatch:
        """The batch, without a copy."""
        columns = [
            [None] * len(self.counts) if column is None else column.split(self.counts)
            for column in self.objects
        ]
        objects = [Objects(*row) for row in zip(*columns, strict=True)]
        return ObjectBatch(self.images, self.sizes, objects, self.indices, self.original_sizes)


class ObjectDataset(Dataset):
    """Images with objects, resized and padded to common sizes.

    It is indexed by ``(epoch, index, step)`` and batch by batch, so that workers need no state.

    Args:
        source: images and objects.
        policy: how they are resized.
        seed: of all random numbers; 0 to 2**32 - 1.
        training: whether crowds are left out and boxes clipped, see `for_training`.
        multiple: height and width of a batch are padded with 0 to multiples of it.

    Raises:
        ValueError, TypeError: if `seed` is out of range or `multiple` is not positive.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> data = ObjectDataset(SceneObjects(Scenes(8, image_size=48)), ObjectPolicy([40, 80]))
        >>> batch = data.batch([(0, 3, 0), (0, 2, 0)])  # epoch 0, images 3 and 2
        >>> batch.images.shape, batch.sizes
        (torch.Size([2, 3, 96, 96]), tensor([[40, 40],
            [80, 80]]))
    """

    def __init__(
        self,
        source: ObjectSource,
        policy: ObjectPolicy,
        *,
        seed: int = 0,
        training: bool = True,
        multiple: int = 32,
    ) -> None:
        checks.arguments(ObjectDataset.__init__, locals(), seed=checks.count, multiple=checks.whole)
        whole("seed", seed, at_least=0, at_most=2**32 - 1)
        self.source = source
        self.policy = policy
        self.seed = seed
        self.training = training
        self.multiple = multiple

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: Key) -> PackedObjects:
        return self.packed([key])

    def __getitems__(self, keys: Sequence[Key]) -> PackedObjects:
        return self.packed(keys)

    def batch(self, keys: Sequence[Key]) -> ObjectBatch:
        """The images at several positions, of one step."""
        return self.packed(keys).unpack()

    def packed(self, keys: Sequence[Key]) -> PackedObjects:
        """The same in few tensors."""
        images, objects, positions, originals = [], [], [], []
        for epoch, index, step in keys:
            position, image = self.source.fetch(index)
            sides, flipped = self.policy.draw(Draws(self.seed, epoch, [index], 0))
            if self.policy.per_batch:
                sides = self.policy.draw_sides(Draws(self.seed, step, [0], _PER_BATCH))
            annotated = self.source.objects(position)
            _check_masks(annotated, image, self.source, position)
            originals.append(image.shape[1:])
            if self.training:
                annotated = for_training(annotated, *image.shape[1:])
            image, annotated = self.policy.apply(image, annotated, sides[0], flipped[0])
            images.append(image)
            objects.append(annotated)
            positions.append(position)
        sizes = torch.tensor([image.shape[1:] for image in images])
        height, width = (_round_up(int(side), self.multiple) for side in sizes.max(0).values)
        padded = torch.zeros(len(images), 3, height, width, dtype=torch.uint8)
        for out, image in zip(padded, images, strict=True):
            out[:, : image.shape[1], : image.shape[2]] = image
        columns = [torch.cat([getattr(o, name) for o in objects]) for name in _COLUMNS]
        boxes, labels, difficult, crowd = columns
        masks = _pad_masks(objects, height, width)
        return PackedObjects(
            Objects(boxes, labels, masks, difficult, crowd),
            [len(annotated.boxes) for annotated in objects],
            padded,
            sizes,
            torch.tensor(positions),
            torch.tensor(originals),
        )


_COLUMNS = ("boxes", "labels", "difficult", "crowd")


def _check_masks(objects: Objects, image: Tensor, source: ObjectSource, position: int) -> None:
    if objects.masks is not None and objects.masks.shape[1:] != image.shape[1:]:
        raise ValueError(
            f"the masks of image {source.image_ids[position]} of {source.name!r} are "
            f"{tuple(objects.masks.shape[1:])} (height, width) and the image "
            f"{tuple(image.shape[1:])}: they must be of one size"
        )


def _pad_masks(objects: Sequence[Objects], height: int, width: int) -> Tensor | None:
    if objects[0].masks is None:
        return None
    count = sum(len(row.boxes) for row in objects)
    padded = torch.zeros(count, height, width, dtype=torch.bool)
    start = 0
    for row in objects:
        assert row.masks is not None
        number, tall, wide = row.masks.shape
        padded[start : start + number, :tall, :wide] = row.masks
        start += number
    return padded


def _round_up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
