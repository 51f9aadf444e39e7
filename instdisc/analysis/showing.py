"""Images as an analysis shows them to a network: batches of finished views where it computes."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from instdisc import checks
from instdisc.data import ViewDataset, ViewLoader
from instdisc.types import Views


def view_batches(
    views: ViewDataset, batch_size: int, num_workers: int, device: str | torch.device
) -> Iterator[Views]:
    """Each image once, in order.

    Args:
        views: of which images, how they are shown.
        batch_size: images at once; the last batch may be smaller.
        num_workers: processes that read.
        device: where the views are finished. Labels and positions come on the CPU.

    Raises:
        ValueError: if `batch_size` is not a whole number of at least 1.

    Example:
        >>> from instdisc.data import Scenes, evaluation_policy
        >>> views = ViewDataset(Scenes(5, image_size=32), [evaluation_policy(32)])
        >>> [tuple(batch.images[0].shape) for batch in view_batches(views, 4, 0, "cpu")]
        [(4, 3, 32, 32), (1, 3, 32, 32)]
    """
    loader = ViewLoader(
        views,
        checks.whole("batch_size", batch_size),
        shuffle=False,
        drop_last=False,
        num_workers=num_workers,
        device=device,
    )
    return (Views(images, labels.cpu(), places.cpu()) for images, labels, places in loader)
