"""The losses of a detector, all in float32.

Legend: B images, S sampled boxes, K classes, M cells per side of a mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align


def proposal_losses(
    logits: Tensor,
    offsets: Tensor,
    targets: Tensor,
    *,
    positive: Tensor,
    drawn: Tensor,
) -> tuple[Tensor, Tensor]:
    """Objectness and box loss of the sampled anchors.

    ``sum BCE / (B S)`` over the drawn anchors and ``sum |t - t*| / (B S)`` over the positive ones.

    Args:
        logits: ``(B, S)`` objectness.
        offsets: ``(B, S, 4)`` predicted.
        targets: ``(B, S, 4)``; only those of positive anchors are read.
        positive: ``(B, S)`` bool.
        drawn: ``(B, S)`` bool; the other anchors count in no loss.

    Returns:
        Two scalars.

    Source:
        detectron2's RPN with plain L1 (smooth L1 of beta 0). Differs from torchvision, whose beta
        is 1/9; and both losses are divided by S for every image, also where fewer are drawn.

    Example:
        >>> one = torch.tensor([[True]])
        >>> losses = proposal_losses(torch.zeros(1, 1), torch.zeros(1, 1, 4), torch.ones(1, 1, 4),
        ...     positive=one, drawn=one)
        >>> [round(float(loss), 3) for loss in losses]  # log 2, and 4 x |1 - 0|
        [0.693, 4.0]
    """
    count = max(logits.numel(), 1)
    objectness = F.binary_cross_entropy_with_logits(
        logits.float(), positive.float(), reduction="none"
    )
    distance = (offsets.float() - targets).abs().sum(dim=-1)
    return (
        torch.where(drawn, objectness, 0).sum() / count,
        # where, not a product: the target of a box that is not positive may be infinite
        torch.where(positive, distance, 0).sum() / count,
    )


def box_losses(
    logits: Tensor, offsets: Tensor, labels: Tensor, targets: Tensor, foreground: Tensor
) -> tuple[Tensor, Tensor]:
    """Class and box loss of the sampled proposals.

    Cross-entropy, mean over the S proposals; ``sum |t - t*| / S`` over the foreground, with
    the offsets that were predicted for its class.

    Args:
        logits: ``(S, K + 1)``; column 0 is the background.
        offsets: ``(S, 4 K)``, four per class.
        labels: ``(S,)`` int64, class + 1; 0 is the background.
        targets: ``(F, 4)`` of the foreground.
        foreground: ``(F,)`` int64 rows of the foreground.

    Returns:
        Two scalars.

    Source:
        detectron2's Fast R-CNN head with plain L1; torchvision's beta is 1/9.

    Example:
        >>> losses = box_losses(torch.zeros(2, 3), torch.zeros(2, 8), torch.tensor([0, 2]),
        ...     torch.ones(1, 4), torch.tensor([1]))
        >>> [round(float(loss), 3) for loss in losses]  # log 3, and 4 / 2
        [1.099, 2.0]
    """
    classes = labels[foreground] - 1
    chosen = offsets.float().unflatten(1, (-1, 4))[foreground, classes]  # (F, 4)
    distance = (chosen - targets).abs().sum() / max(len(labels), 1)
    return F.cross_entropy(logits.float(), labels), distance


def mask_loss(logits: Tensor, classes: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the masks of the foreground, mean over boxes and cells.

    Args:
        logits: ``(F, K, M, M)``.
        classes: ``(F,)`` int64, 0 to K - 1; only the mask of this class counts.
        targets: ``(F, M, M)`` bool or float.

    Returns:
        Scalar; 0 with a gradient of 0 where there is no foreground.

    Source:
        He et al., "Mask R-CNN" (2017), section 3.

    Example:
        >>> loss = mask_loss(torch.zeros(1, 2, 2, 2), torch.tensor([1]), torch.ones(1, 2, 2))
        >>> round(float(loss), 3)
        0.693
    """
    if not len(logits):
        return logits.float().sum() * 0
    rows = torch.arange(len(classes), device=classes.device)
    return F.binary_cross_entropy_with_logits(logits[rows, classes].float(), targets.float())


def mask_targets(masks: Sequence[Tensor], rois: Tensor, objects: Tensor, size: int) -> Tensor:
    """The true mask of each foreground box, cut out and resized.

    Args:
        masks: per image ``(N, H, W)`` bool.
        rois: ``(F, 5)`` rows of image index, left, top, right, bottom.
        objects: ``(F,)`` int64 row of the object in its image's masks.
        size: M.

    Returns:
        ``(F, M, M)`` bool: cells that the mask covers to at least one half.

    Source:
        detectron2's ``BitMasks.crop_and_resize``: RoIAlign, aligned, and a threshold of 0.5.
        Differs from torchvision, which aligns in the old way and keeps the fractions.

    Example:
        >>> mask = torch.zeros(1, 4, 4, dtype=torch.bool)
        >>> mask[0, :, 2:] = True
        >>> mask_targets([mask], torch.tensor([[0.0, 0, 0, 4, 4]]), torch.tensor([0]), 2)
        tensor([[[False,  True],
                 [False,  True]]])
    """
    starts = torch.zeros(len(masks), dtype=torch.long)
    starts[1:] = torch.tensor([len(mask) for mask in masks[:-1]]).cumsum(0)
    joined = torch.cat(list(masks))[:, None].to(rois.dtype)  # (sum of N, 1, H, W)
    # All images have the same padded size, so one call serves the batch.
    rows = objects + starts.to(objects.device, non_blocking=True)[rois[:, 0].long()]
    boxes = torch.cat([rows[:, None].to(rois.dtype), rois[:, 1:]], dim=1)
    return roi_align(joined, boxes, size, 1.0, sampling_ratio=0, aligned=True)[:, 0] >= 0.5
