"""Features of several random views of each image.

Legend: N images, Q views of each, D width, S stages.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.data import POLICIES, ImageSource, ViewDataset, view_policy
from instdisc.models import Backbone
from instdisc.transfer.features.frozen import frozen

from ..showing import view_batches


def extract_views(
    backbone: Backbone,
    images: ImageSource,
    *,
    policy: str,
    num_views: int,
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    stages: bool = False,
) -> list[Tensor]:
    """Features of random views of each image by a frozen backbone.

    Args:
        backbone: checked not to change.
        images: whose.
        policy: how a view is made, a name for `view_policy`.
        num_views: Q.
        seed: of the views.
        image_size: side of a view in pixels; ``None``: at which the backbone was trained.
        batch_size: views at once.
        num_workers: processes that read.
        device: where to compute.
        stages: the averaged map of every stage, else the pooled features alone.

    Returns:
        S features ``(N, Q, widths[s])`` float32, shallow to deep, or one ``(N, Q, D)``.

    Raises:
        TypeError, ValueError: if an argument is out of range, or a feature is not finite.
        RuntimeError: if the backbone changed.

    Example:
        >>> from instdisc.data import Scenes
        >>> shown, = extract_views(Backbone("test_resnet"), Scenes(2, image_size=32),
        ...     policy="moco_v2", num_views=3, image_size=32)
        >>> shown.shape
        torch.Size([2, 3, 96])
    """
    checks.whole("num_views", num_views)
    checks.whole("batch_size", batch_size)
    checks.choice("policy", policy, list(POLICIES))
    size = backbone.input.size if image_size is None else image_size
    each = view_policy(policy, size, seen=backbone.input)
    views = ViewDataset(images, [each] * num_views, seed=seed)
    shown_at_once = max(1, batch_size // num_views)
    batches: list[list[Tensor]] = []
    with frozen(backbone, device):
        for batch in view_batches(views, shown_at_once, num_workers, device):
            shown = torch.cat(batch.images)  # (Q B, 3, size, size)
            if stages:
                rows = [stage.float().mean((2, 3)) for stage in backbone.maps(shown)]
            else:
                rows = [backbone(shown).float()]
            # (Q B, D) to (B, Q, D)
            batches.append(
                [row.cpu().unflatten(0, (num_views, -1)).transpose(0, 1) for row in rows]
            )
    return [
        checks.all_finite("backbone", torch.cat(each_batch), row="image", remedy=_BROKEN)
        for each_batch in zip(*batches, strict=True)
    ]


_BROKEN = "Its features are no numbers: the weights are broken, load another checkpoint."
