"""Batches of whole images, whose views are cut on a GPU.

Legend: B batch, V views, S side of a view.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..images.memory import ImagesInMemory
from ..views.dataset import RawViews, ViewDataset
from ..views.fused.cut_each import cut_places
from .blocks import BlockForm, Field, number_fields
from .uncut import cut_image, draw_views, set_boxes

_PROBES = 16  # images that are looked at
_LARGEST = 3.0  # bytes of an image over those of its views: more is not worth the copy


def find_room(dataset: ViewDataset) -> int:
    """Bytes for each image of a batch of whole images; 0 where workers are to cut the views.

    Workers cut where views are not bilinear, images are in memory, or most images are large.
    """
    bilinear = all(policy.frame.interpolation == "bilinear" for policy in dataset.policies)
    if not bilinear or isinstance(dataset.images, ImagesInMemory) or not dataset.cut:
        return 0
    views = sum(3 * policy.frame.size**2 for policy in dataset.policies)
    sizes = []
    for index in range(0, len(dataset), max(1, len(dataset) // _PROBES)):
        try:
            sizes.append(dataset.images.read(index).numel())
        except ValueError:  # said when its turn comes
            continue
    fitting = [size for size in sizes if size <= _LARGEST * views]
    if 2 * len(fitting) <= len(sizes):
        return 0
    return max(views, *fitting)


class WholeForm(BlockForm):
    """How a batch of whole images lies in a block of bytes.

    An image that is too large is cut by the worker, as all are where the device does not cut.

    Args:
        dataset: says what is read and how it is cut.
        batch_size: B.
        room: bytes for each image.
    """

    def __init__(self, dataset: ViewDataset, batch_size: int, room: int) -> None:
        self._dataset, self._room = dataset, room
        boxes = [Field((6,), torch.float32) for _ in dataset.policies]
        contents, places = Field((room,), torch.uint8), Field((3,), torch.int64)
        super().__init__([contents, places, *boxes, *number_fields(dataset.policies)], batch_size)

    def make(self, block: Tensor, row: int, keys: Sequence[tuple[int, int]]) -> None:
        """Reads some images into a block, from a row on."""
        dataset = self._dataset
        drawn = draw_views(dataset, keys)
        contents, places, *others = (rows[row : row + len(keys)] for rows in self.open(block))
        boxes, num_views = others[: len(drawn)], len(drawn)
        positions = []
        for place, (_, index) in enumerate(keys):
            position, image = dataset.images.fetch(index)
            positions.append(position)
            _, height, width = image.shape
            if image.numel() <= self._room:
                pixels = contents[place, : image.numel()].view(height, width, 3)
                pixels.copy_(image.permute(1, 2, 0))
                places[place] = torch.tensor([(row + place) * self._room, height, width])
                set_boxes(dataset, drawn, place, (height, width), boxes)
            else:
                views = cut_image(dataset, image, drawn, place)
                contents[place, : len(views)].copy_(views)
                places[place] = 0
        for rows, numbers in zip(others[num_views:], drawn, strict=False):
            rows.copy_(numbers.photometric)
        others[-2].copy_(dataset.images.labels[positions])
        others[-1].copy_(torch.tensor(positions))

    def bring(self, block: Tensor, count: int, device: torch.device) -> RawViews:
        """The first images of a block, cut on a device."""
        small = (self.open(block)[1][:count, 1] == 0).nonzero()[:, 0]  # cut by the worker
        there = block.to(device, non_blocking=device.type == "cuda")
        contents, places, *rest = self.open(there)
        places, rest = places[:count], [rows[:count] for rows in rest]
        if device.type == "cuda":
            small = small.pin_memory().to(device, non_blocking=True)
        views, start = [], 0
        for policy, boxes in zip(self._dataset.policies, rest, strict=False):
            size = policy.frame.size
            view = cut_places(contents.view(-1), places, boxes, size)
            if len(small):
                ready = contents[:, start : start + 3 * size**2].index_select(0, small)
                view.index_copy_(0, small, ready.view(-1, 3, size, size))
            views.append(view)
            start += 3 * size**2
        # Whoever keeps labels must not keep the block, nor find another batch's in them.
        return RawViews(views, rest[len(views) : -2], rest[-2].clone(), rest[-1].clone())
