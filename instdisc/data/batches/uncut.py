"""What a worker does for an image whose views are cut on the device, and for one that is too large.

Legend: B batch, V views, S side of a view.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..views.dataset import PolicyNumbers, ViewDataset
from ..views.draws import Draws


def draw_views(dataset: ViewDataset, keys: Sequence[tuple[int, int]]) -> list[PolicyNumbers]:
    """The numbers of each view, as `ViewDataset.batch` draws them; keys of one epoch."""
    indices = [index for _, index in keys]
    return [
        policy.draw(Draws(dataset.seed, keys[0][0], indices, view))
        for view, policy in enumerate(dataset.policies)
    ]


def set_boxes(
    dataset: ViewDataset,
    drawn: Sequence[PolicyNumbers],
    row: int,
    size: tuple[int, int],
    boxes: Sequence[Tensor],
) -> None:
    """Puts what is to be cut out of an image into a row of `boxes`.

    Args:
        dataset: whose policies count.
        drawn: see `draw_views`.
        row: of the image in `drawn` and in `boxes`.
        size: its height and width.
        boxes: V tensors ``(B, 6)`` float32, see `resample`.
    """
    for policy, numbers, box in zip(dataset.policies, drawn, boxes, strict=True):
        frame = policy.frame.box(*size, numbers.frame[row].tolist())
        box[row] = torch.tensor([*frame, float(numbers.flipped[row])])


def cut_image(
    dataset: ViewDataset, image: Tensor, drawn: Sequence[PolicyNumbers], row: int
) -> Tensor:
    """The views of an image, cut here, in one tensor of bytes: V times ``(3, S, S)``."""
    views = [
        policy.cut(image, numbers.frame[row].tolist(), bool(numbers.flipped[row]))
        for policy, numbers in zip(dataset.policies, drawn, strict=True)
    ]
    return torch.cat([view.reshape(-1) for view in views])
