"""The region proposal network (RPN).

Legend: B batch, A anchors of an image, S sampled anchors, h x w cells of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import nms

from instdisc.checks import checked_call, whole

from .anchors import Anchors
from .boxes import RPN_WEIGHTS, clip, decode, encode, has_area
from .losses import proposal_losses
from .matching import Truth, match, sample

_SAMPLES, _POSITIVE = 256, 128
_LOW, _HIGH, _NMS = 0.3, 0.7, 0.7


@checked_call(train_before=whole, train_after=whole, test_before=whole, test_after=whole)
class ProposalCounts(NamedTuple):
    """How many proposals are kept, before (of each map) and after (of each image) suppression.

    Attributes:
        train_before: best-scored anchors of a map that go into suppression, in training.
        train_after: proposals of an image that come out of it, in training.
        test_before: the first number in evaluation.
        test_after: the second number in evaluation.
    """

    train_before: int
    train_after: int
    test_before: int
    test_after: int


class ProposalNetwork(nn.Module):
    """Finds boxes that may hold an object, of any class.

    Args:
        width: channels of the maps.
        anchors: of these maps.
        counts: proposals to keep.

    Source:
        Ren et al., "Faster R-CNN" (2015); detectron2's settings: IoU 0.7 and 0.3, 256 anchors per
        image, at most half of them positive, suppression at IoU 0.7, no anchor left out at the
        border. Differs from `torchvision.models.detection.rpn`: only the best-scored anchors are
        decoded, only the sampled ones encoded, and the device is waited for once per image
        (its suppression must know how many boxes are left).

    Example:
        >>> network = ProposalNetwork(8, Anchors([[32]], [16]), ProposalCounts(6, 4, 6, 4)).eval()
        >>> proposals, losses = network([torch.zeros(1, 8, 2, 3)], torch.tensor([[32, 48]]))
        >>> proposals[0].shape[1], losses
        (4, {})
    """

    def __init__(self, width: int, anchors: Anchors, counts: ProposalCounts) -> None:
        super().__init__()
        self.anchors = anchors
        self.counts = counts
        self.head = RPNHead(width, anchors.per_cell)

    def forward(
        self, maps: Sequence[Tensor], sizes: Tensor, truths: Sequence[Truth] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Proposals, and in training the losses.

        Args:
            maps: ``(B, width, h, w)`` each, fine to coarse.
            sizes: ``(B, 2)`` height and width of each image without padding.
            truths: of each image, in training.

        Returns:
            Per image ``(P, 4)`` float32 boxes without gradient, best first; in training some at
            the end may have no area. And ``loss_objectness``, ``loss_rpn_box_reg``.
        """
        logits, offsets = self.head(list(maps))
        flat_logits = [_flatten(x, 1)[..., 0].float() for x in logits]  # (B, h * w * A) each
        flat_offsets = [_flatten(x, 4).float() for x in offsets]  # (B, h * w * A, 4) each
        anchors = self.anchors([(x.shape[-2], x.shape[-1]) for x in maps])
        losses = {}
        if truths is not None:  # before suppression, which the host must wait for
            losses = self._losses(
                torch.cat(flat_logits, dim=1),
                torch.cat(flat_offsets, dim=1),
                torch.cat(anchors),
                truths,
            )
        with torch.no_grad():
            return self._propose(flat_logits, flat_offsets, anchors, sizes), losses

    def _losses(
        self, logits: Tensor, offsets: Tensor, anchors: Tensor, truths: Sequence[Truth]
    ) -> dict[str, Tensor]:
        matched = torch.stack([match(t, anchors, _LOW, _HIGH, keep_best=True) for t in truths])
        labels = torch.where(matched >= 0, 1, matched + 1)  # (B, A): 1, 0 background, -1 neither
        rows, num_positive, num_drawn = sample(labels, _SAMPLES, _POSITIVE)
        places = torch.arange(rows.shape[1], device=rows.device)
        wanted = torch.stack(
            [t.boxes[m[row].clamp(min=0)] for t, m, row in zip(truths, matched, rows, strict=True)]
        )
        objectness, distance = proposal_losses(
            logits.gather(1, rows),
            offsets.gather(1, rows[..., None].expand(-1, -1, 4)),
            encode(wanted, anchors[rows], RPN_WEIGHTS),
            positive=places < num_positive[:, None],
            drawn=places < num_drawn[:, None],
        )
        return {"loss_objectness": objectness, "loss_rpn_box_reg": distance}

    def _propose(
        self,
        logits: Sequence[Tensor],
        offsets: Sequence[Tensor],
        anchors: Sequence[Tensor],
        sizes: Tensor,
    ) -> list[Tensor]:
        train_before, train_after, test_before, test_after = self.counts
        before = train_before if self.training else test_before
        after = train_after if self.training else test_after
        scores, boxes, shifts = [], [], []
        for level, (logit, offset, anchor) in enumerate(zip(logits, offsets, anchors, strict=True)):
            top = logit.topk(min(before, logit.shape[1]), dim=1)
            decoded = decode(_rows(offset, top.indices), anchor[top.indices], RPN_WEIGHTS)
            scores.append(top.values)
            boxes.append(clip(decoded, sizes[:, None]))
            shifts.append(torch.full_like(top.values, level))
        all_boxes, all_scores = torch.cat(boxes, dim=1), torch.cat(scores, dim=1)
        usable = has_area(all_boxes)
        # Maps are suppressed apart: each is shifted to a place of its own.
        apart = torch.cat(shifts, dim=1)[..., None] * (all_boxes.amax() + 1)
        shifted = all_boxes + apart
        # Boxes without area go to the end; the host need not know how many they are.
        all_scores = all_scores.masked_fill(~usable, -torch.inf)
        kept = [
            image[nms(each, score, _NMS)[:after]]
            for image, each, score in zip(all_boxes, shifted, all_scores, strict=True)
        ]
        return kept if self.training else [boxes[has_area(boxes)] for boxes in kept]


def _rows(boxes: Tensor, rows: Tensor) -> Tensor:
    """Boxes ``(B, M, 4)`` at ``(B, K)`` rows."""
    return boxes.gather(1, rows[..., None].expand(-1, -1, 4))


def _flatten(predicted: Tensor, width: int) -> Tensor:
    """``(B, A * width, h, w)`` becomes ``(B, h * w * A, width)``, in the order of the anchors."""
    return predicted.unflatten(1, (-1, width)).permute(0, 3, 4, 1, 2).flatten(1, 3)
