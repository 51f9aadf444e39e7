"""The loss of a segmentation.

Legend: B batch, C classes, H x W size of an image.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from instdisc.types import IGNORED_CLASS


def pixel_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy averaged over the pixels that are not ignored; 0 where all are.

    Args:
        logits: ``(B, C, H, W)``.
        masks: ``(B, H, W)`` integer classes; 255 = ignored.

    Example:
        >>> import torch
        >>> masks = torch.tensor([[[0, 255]]])
        >>> pixel_loss(torch.zeros(1, 2, 1, 2), masks)
        tensor(0.6931)
    """
    masks = masks.long()
    total = F.cross_entropy(logits.float(), masks, ignore_index=IGNORED_CLASS, reduction="sum")
    return total / (masks != IGNORED_CLASS).sum().clamp(min=1)
