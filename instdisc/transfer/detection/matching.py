"""Which anchors and proposals stand for which objects, and which of them a loss sees.

Legend: N objects of an image, M boxes (anchors or proposals).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from ...types import Objects

BACKGROUND, IGNORED = 0, -1


class Truth(NamedTuple):
    """The objects of an image, ready for matching.

    Attributes:
        boxes: ``(N + 1, 4)`` float32; the last row is no object, so that an image without objects
            needs no special case.
        labels: ``(N + 1,)`` int64 class + 1; 0 is the background.
        usable: ``(N + 1,)`` bool; false for crowds, boxes without area and the last row.
    """

    boxes: Tensor
    labels: Tensor
    usable: Tensor


def as_truth(objects: Objects) -> Truth:
    """Pads and marks the objects of one image without asking the device for anything.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
        >>> no = torch.tensor([False])
        >>> as_truth(Objects(boxes, torch.tensor([7]), None, no, no))[1:]
        (tensor([8, 0]), tensor([ True, False]))
    """
    boxes = torch.cat([objects.boxes.float(), objects.boxes.new_zeros(1, 4, dtype=torch.float32)])
    labels = torch.cat([objects.labels + 1, objects.labels.new_zeros(1)])
    crowd = torch.cat([objects.crowd, objects.crowd.new_ones(1)])
    usable = ~crowd & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Truth(boxes, labels, usable)


def match(truth: Truth, boxes: Tensor, low: float, high: float, *, keep_best: bool) -> Tensor:
    """The object that each box stands for.

    A box stands for the object of greatest overlap (IoU) if that is at least `high`, for the
    background if it is below `low`, and for nothing between them.

    Args:
        truth: of one image.
        boxes: ``(M, 4)``.
        low: IoU below which a box is background.
        high: IoU from which a box stands for an object.
        keep_best: the boxes of greatest overlap with an object stand for their own best object,
            however small the overlap.

    Returns:
        ``(M,)`` int64 rows of ``truth``; -1 = background, -2 = nothing.

    Source:
        `torchvision.models.detection` ``Matcher``. Differs from it: an object that overlaps
        no box has no best box (there, every box without overlap would be its best), crowds and an
        image without objects need no other path, and the device is never waited for.

    Example:
        >>> no = torch.tensor([False])
        >>> one = as_truth(Objects(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([0]), None, no, no))
        >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2], [9, 9, 12, 12]])
        >>> match(one, boxes, 0.3, 0.7, keep_best=False)
        tensor([ 0, -2, -1])
    """
    overlaps = box_iou(truth.boxes, boxes).masked_fill(~truth.usable[:, None], -1)  # (N + 1, M)
    best, rows = overlaps.max(dim=0)
    matched = rows.masked_fill(best < high, -2).masked_fill(best < low, -1)
    if keep_best:
        best_of_object = overlaps.amax(dim=1, keepdim=True).clamp(min=torch.finfo().tiny)
        is_best = (overlaps == best_of_object).any(dim=0)
        matched = torch.where(is_best, rows, matched)
    return matched


def sample(labels: Tensor, count: int, num_positive: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draws boxes for a loss: some of the positive ones, the rest background.

    Of each row at most `num_positive` boxes of a positive label, and background until `count` is
    reached; each alike, none twice.

    Args:
        labels: ``(B, M)`` int64; positive = an object, 0 = background, -1 = ignored.
        count: boxes to draw per row.
        num_positive: at most this many of them positive.

    Returns:
        ``(B, count)`` int64 positions in the row, the positive ones first; ``(B,)`` how many are
        positive; ``(B,)`` how many are drawn. The positions after these are of no use. `count`
        is M where there are fewer boxes.

    Source:
        `torchvision.models.detection` ``BalancedPositiveNegativeSampler``, in distribution.
        Differs from it: all images are drawn at once, and the device is never waited for.

    Example:
        >>> positions, positive, drawn = sample(torch.tensor([[0, 5, -1, 0, 7]]), 4, 1)
        >>> positions.shape, positive, drawn
        (torch.Size([1, 4]), tensor([1]), tensor([3]))
    """
    keys = torch.rand(labels.shape, device=labels.device)  # in [0, 1)
    positive = labels > 0
    chosen = keys.masked_fill(~positive, -1).topk(min(num_positive, labels.shape[1]), dim=1)
    # Background gets a key in [1, 2], the chosen positives 3; what is left over stays at -1.
    ranks = torch.where(labels == BACKGROUND, keys + 1, -1.0)
    ranks = ranks.scatter_add(1, chosen.indices, 4.0 * (chosen.values >= 0))
    top = ranks.topk(min(count, labels.shape[1]), dim=1)
    return top.indices, (top.values > 2.5).sum(dim=1), (top.values > 0).sum(dim=1)
