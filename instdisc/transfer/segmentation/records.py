"""What a segmenter is worth on a test set, as records.

Legend: N images, C classes, r resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from instdisc.metrics import SegmentationResult, mean_iou, pixel_accuracy
from instdisc.types import Record

from ..intervals import bootstrap_records


def segmentation_records(
    result: SegmentationResult,
    classes: Sequence[str],
    *,
    dataset: str,
    method: str,
    checkpoint: str,
    seed: int,
    seconds: float,
    settings: dict[str, Any],
) -> list[Record]:
    """Mean IoU, pixel accuracy and the IoU of each class, in percent.

    The first two have a bootstrap interval over the test images, if there are two of them. A
    class that is neither in the truth nor predicted has no record.

    Args:
        result: of `SegmentationScores`, with the matrix of each image.
        classes: C names.
        dataset: see `Record`, like the rest.
        method: see `Record`.
        checkpoint: see `Record`.
        seed: see `Record`; of the resampling, too.
        seconds: see `Record`.
        settings: see `Record`.

    Example:
        >>> from instdisc.metrics import SegmentationScores
        >>> scores = SegmentationScores(2, per_image=True)
        >>> scores.update(torch.tensor([[0, 1, 1, 1]]), torch.tensor([[0, 0, 1, 255]]))
        >>> records = segmentation_records(scores.compute(), ["road", "sky"], dataset="toy",
        ...     method="random", checkpoint="", seed=0, seconds=0.0, settings={})
        >>> [(record.metric, round(record.value)) for record in records]
        [('mIoU', 50), ('pixel accuracy', 67), ('IoU, road', 50), ('IoU, sky', 50)]
    """
    flat = result.matrices.flatten(1).double().cpu()  # (N, C * C)
    flat = flat[flat.any(1)]  # an image of nothing but ignored pixels has no score

    def pooled(metric: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def of_images(rows: Tensor) -> Tensor:
            times = torch.zeros(rows.shape, dtype=torch.float64)
            times.scatter_add_(1, rows, torch.ones_like(times))
            return metric((times @ flat).view(-1, len(classes), len(classes)))

        return of_images

    overall = bootstrap_records(
        "segmentation",
        {"mIoU": pooled(mean_iou), "pixel accuracy": pooled(pixel_accuracy)},
        [torch.arange(len(flat))],
        dataset=dataset,
        method=method,
        checkpoint=checkpoint,
        seed=seed,
        seconds=seconds,
        settings={**settings, "num_classes": len(classes)},
    )
    return overall + [
        overall[0]._replace(metric=f"IoU, {name}", value=100 * float(value), ci=None)
        for name, value in zip(classes, result.class_iou, strict=True)
        if not bool(value.isnan())
    ]
