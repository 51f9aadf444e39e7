"""Batches whose JPEG files are decoded on the device.

Legend: B batch, V views, S x T size of a view, n numbers of a policy.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..images.jpeg import read_header
from ..images.source import ImageSource
from ..views.dataset import PolicyNumbers, RawViews, ViewDataset, ViewPolicy
from ..views.resample import cut_each
from .blocks import BlockForm, Field, number_fields

try:
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:  # announced for a later release
    decode_jpeg = None

_FIRST_BOXES = 3  # after contents, lengths and keys, which the host needs
_log = logging.getLogger(__name__)


class CodedViews(NamedTuple):
    """Images between worker and device, most of them still in the bytes of their files.

    Attributes:
        contents: B tensors of bytes: a JPEG file, or the V views that were cut out of the image.
        lengths: ``(B,)`` int64 of the files; 0 where the views were cut.
        keys: ``(B, 2)`` int64 epoch and index that were asked for.
        boxes: V tensors ``(B, 6)`` float32, see `resample`; of files.
        numbers: as in `RawViews`, and so the others.
    """

    contents: list[Tensor]
    lengths: Tensor
    keys: Tensor
    boxes: list[Tensor]
    numbers: list[Tensor]
    labels: Tensor
    indices: Tensor


class CodedDataset(ViewDataset):
    """The views of each image of a source, whose JPEG files the device decodes and cuts.

    A worker reads the file and draws the numbers. What a GPU's decoder does not take is decoded and
    cut by the worker as ever: files that are no JPEG, progressive, grey or CMYK, incomplete, or
    larger than the views. Decoders in hardware interpolate colours differently, so that the views
    differ a little from those that workers cut.

    Args:
        images: where the images come from.
        policies: one policy per view, bilinear.
        seed: of all random numbers; 0 to 2**32 - 1.

    Raises:
        ValueError: if torchvision does not decode JPEG, or a policy is not bilinear; and as
            `ViewDataset`.
    """

    def __init__(
        self, images: ImageSource, policies: Sequence[ViewPolicy], *, seed: int = 0
    ) -> None:
        super().__init__(images, policies, seed=seed)
        if decode_jpeg is None:
            raise ValueError(
                "`decode`='device' needs torchvision.io.decode_jpeg, which this release of "
                "torchvision does not have: decode='workers'"
            )
        if any(policy.frame.interpolation != "bilinear" for policy in policies):
            raise ValueError("`decode`='device' needs bilinear policies: decode='workers'")
        self.room = sum(3 * math.prod(policy.frame.sides) for policy in policies)

    def coded(self, keys: Sequence[tuple[int, int]]) -> CodedViews:
        """What `batch` gives, before files are decoded; of one epoch."""
        drawn = self.draw(keys)
        boxes = [torch.zeros(len(keys), 6) for _ in self.policies]
        contents, lengths, positions = [], [], []  # see CodedViews
        for row, (_, index) in enumerate(keys):
            file = self.images.encoded(index)
            header = None if file is None or len(file) > self.room else read_header(file)
            if file is not None and header is not None and header.plain:
                for policy, numbers, box in zip(self.policies, drawn, boxes, strict=True):
                    frame = policy.frame.box(
                        header.height, header.width, numbers.frame[row].tolist()
                    )
                    box[row] = torch.tensor([*frame, float(numbers.flipped[row])])
                contents.append(torch.frombuffer(bytearray(file), dtype=torch.uint8))
                lengths.append(len(file))
                positions.append(index)
            else:
                position, image = self.images.fetch(index)
                contents.append(self._cut(image, drawn, row))
                lengths.append(0)
                positions.append(position)
        places = torch.tensor(positions)
        return CodedViews(
            contents,
            torch.tensor(lengths),
            torch.tensor(list(keys)),
            boxes,
            [numbers.photometric for numbers in drawn],
            self.images.labels[places],
            places,
        )

    def _cut(self, image: Tensor, drawn: Sequence[PolicyNumbers], row: int) -> Tensor:
        """The views of an image in one tensor of bytes: V times ``(3, S, T)``."""
        views = [
            policy.cut(image, numbers.frame[row].tolist(), bool(numbers.flipped[row]))
            for policy, numbers in zip(self.policies, drawn, strict=True)
        ]
        return torch.cat([view.reshape(-1) for view in views])


class CodedForm(BlockForm):
    """How a batch that a `CodedDataset` makes lies in a block of bytes.

    Args:
        dataset: makes the batches.
        batch_size: B.
    """

    def __init__(self, dataset: CodedDataset, batch_size: int) -> None:
        self._dataset = dataset
        boxes = [Field((6,), torch.float32) for _ in dataset.policies]
        fields = [
            Field((dataset.room,), torch.uint8),
            Field((), torch.int64),
            Field((2,), torch.int64),
            *boxes,
            *number_fields(dataset.policies),
        ]
        super().__init__(fields, batch_size)

    def make(self, block: Tensor, row: int, keys: Sequence[tuple[int, int]]) -> None:
        batch = self._dataset.coded(keys)
        contents, *others = self.open(block)
        for place, content in enumerate(batch.contents, row):
            contents[place, : len(content)].copy_(content)
        parts = (batch.lengths, batch.keys, *batch.boxes, *batch.numbers, *batch[-2:])
        for rows, part in zip(others, parts, strict=True):
            rows[row : row + len(part)].copy_(part)

    def bring(self, block: Tensor, count: int, device: torch.device) -> RawViews:
        contents, lengths, keys, *_ = (rows[:count] for rows in self.open(block))
        block = block[self.starts[_FIRST_BOXES] :].to(device, non_blocking=device.type == "cuda")
        rest = [rows[:count] for rows in self.open(block, _FIRST_BOXES)]
        coded = lengths.nonzero()[:, 0]
        images = _decode([contents[row, : lengths[row]] for row in coded.tolist()], device)
        if images is None:
            return self._again(keys, device)
        policies, views, start = self._dataset.policies, [], 0
        for policy, boxes in zip(policies, rest, strict=False):
            size = policy.frame.size
            if len(coded) == count:
                views.append(cut_each(images, boxes, size))
                continue
            shape = (3, *policy.frame.sides)
            ready = contents[:, start : start + math.prod(shape)].view(-1, *shape)
            start += math.prod(shape)
            view = torch.empty(count, *shape, dtype=torch.uint8, device=device)
            if len(coded):
                rows = _bring(coded, device)
                view.index_copy_(0, rows, cut_each(images, boxes[rows], size))
            others = (lengths == 0).nonzero()[:, 0]
            view.index_copy_(0, _bring(others, device), _bring(ready[others], device))
            views.append(view)
        # Whoever keeps labels must not keep the block, nor find another batch's in them.
        return RawViews(views, rest[len(policies) : -2], rest[-2].clone(), rest[-1].clone())

    def _again(self, keys: Tensor, device: torch.device) -> RawViews:
        """The batch as workers make it: a file in it cannot be decoded, and this says which."""
        raw = self._dataset.batch([(epoch, index) for epoch, index in keys.tolist()])
        assert isinstance(raw, RawViews)
        return RawViews(
            [_bring(view, device) for view in raw.views],
            [_bring(numbers, device) for numbers in raw.numbers],
            _bring(raw.labels, device),
            _bring(raw.indices, device),
        )


def _decode(files: Sequence[Tensor], device: torch.device) -> Sequence[Tensor] | None:
    """Images ``(3, H, W)`` uint8 of files' bytes; ``None`` if that fails for one of them."""
    if not files:
        return []
    try:
        images: Sequence[Tensor] = decode_jpeg(list(files), ImageReadMode.RGB, device=device)
    except RuntimeError as error:
        _log.warning("a batch of JPEG files is decoded by the CPU: %s", str(error).splitlines()[0])
        return None
    return images


def _bring(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
