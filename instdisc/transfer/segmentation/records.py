"""What a segmenter is worth on a test set, as records and as arrays.

Legend: N images, C classes, r resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instdisc.checks import checked_call, refuse
from instdisc.data import SegmentData, image_names
from instdisc.metrics import SegmentationResult, class_iou, mean_iou, pixel_accuracy
from instdisc.predictions import save_predictions
from instdisc.records import Run
from instdisc.types import About, Record

from ..history import chosen, training_run
from ..intervals import bootstrap_records
from ..provenance import former_keywords
from ..thumbnails import THUMBNAIL, thumbnail_side
from .module import Segmenter
from .shown import shown_columns


@former_keywords
@checked_call(thumbnail=thumbnail_side)
def run_records(
    module: Segmenter,
    data: SegmentData,
    about: About | None = None,
    *,
    seconds: float = 0.0,
    settings: Mapping[str, Any] | None = None,
    predictions: str | Path | None = None,
    thumbnail: int = THUMBNAIL,
) -> list[Record]:
    """The records of the last test; module, data and Trainer say how the segmenter was trained.

    Args:
        module: after a test.
        data: what it was trained and tested on.
        about: what the records say instead of what the module knows.
        seconds: that it took.
        settings: more of them.
        predictions: a ``.npz`` file for `run_predictions`; ``None``: none.
        thumbnail: see `run_predictions`.

    Returns:
        See `segmentation_records`.

    Raises:
        ValueError: if `module` was not tested.
        TypeError: if `about` is something else.
    """
    result, policy = _tested(module)[0], data.policy
    run = training_run(
        module,
        data,
        about,
        view={
            "short_side": module.test_short_side,
            **chosen(module, "window", "window_step"),
            "interpolation": module.history.seen.interpolation,
        },
        settings={
            **module.spec,
            **chosen(module, "auxiliary", "learning_rate", "momentum", "weight_decay", "head_rate"),
            **chosen(module, "schedule", "power", "least_rate", "milestones"),
            **chosen(policy, "crop_size", "scale", "short_side", "flip", "max_share"),
            "distort": bool(policy.photometric),
            "num_classes": data.num_classes,
            **(settings or {}),
        },
        seconds=seconds,
    )
    if predictions is not None and module.trainer.is_global_zero:
        save_predictions(predictions, run_predictions(module, data, thumbnail=thumbnail))
    return segmentation_records(result, data.classes, run)


@checked_call(thumbnail=thumbnail_side)
def run_predictions(
    module: Segmenter, data: SegmentData, *, thumbnail: int = THUMBNAIL
) -> dict[str, Any]:
    """What was found in the last test, for `save_predictions`.

    ``image`` holds the names of the images; ``hits``, ``truth`` and ``predicted``, each
    ``(N, C)``, the pixels of each class that were found, that there are, and that were called so:
    IoU is ``hits / (truth + predicted - hits)``. ``mIoU``, ``(N,)``, is that of the image alone.

    A few images, the same for every method, are kept as small pictures: ``shown``, their names,
    ``shown_truth``, ``shown_prediction`` and what these show in words, see `picture_columns`.

    Args:
        module: after a test.
        data: what it was tested on.
        thumbnail: longer side of these pictures in pixels; 0 for none.

    Raises:
        ValueError: if `module` was not tested.
    """
    result, positions = _tested(module)
    names, matrices = image_names(data.test), result.matrices.long()
    return {
        "image": [names[position] for position in positions.tolist()],
        "hits": matrices.diagonal(dim1=-2, dim2=-1),
        "truth": matrices.sum(2),
        "predicted": matrices.sum(1),
        "mIoU": class_iou(matrices).nanmean(-1),
        **(shown_columns(module, data.test, positions, thumbnail) if thumbnail else {}),
    }


@checked_call()
def segmentation_records(
    result: SegmentationResult, classes: Sequence[str], run: Run
) -> list[Record]:
    """Mean IoU, pixel accuracy and the IoU of each class, in percent.

    The first two have a bootstrap interval over the test images, if there are two of them. A
    class that is neither in the truth nor predicted has no record.

    Args:
        result: of `SegmentationScores`, with the matrix of each image.
        classes: C names.
        run: what the records have in common; its seed resamples.

    Example:
        >>> from instdisc.metrics import SegmentationScores
        >>> scores = SegmentationScores(2, per_image=True)
        >>> scores.update(torch.tensor([[0, 1, 1, 1]]), torch.tensor([[0, 0, 1, 255]]))
        >>> records = segmentation_records(scores.compute(), ["road", "sky"], Run(About("mine")))
        >>> [(record.metric, round(record.value)) for record in records]
        [('mIoU', 50), ('pixel accuracy', 67), ('IoU, road', 50), ('IoU, sky', 50)]
    """
    if len(classes) != len(result.class_iou):
        rule = f"as many as `result` has, {len(result.class_iou)}"
        refuse("classes", rule, list(classes))
    # Images of which not one pixel counts say nothing.
    counted = result.matrices.flatten(1).any(1)
    flat = result.matrices[counted].flatten(1).double().cpu()  # (N, C * C)

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
        run,
    )
    return overall + [
        run.record("segmentation", f"IoU, {name}", 100 * float(value), n=len(flat))
        for name, value in zip(classes, result.class_iou, strict=True)
        if not bool(value.isnan())
    ]


def _tested(module: Segmenter) -> tuple[SegmentationResult, Tensor]:
    if module.result is None or module.tested is None:
        raise ValueError("`module` must have been tested: its `result` is None")
    return module.result, module.tested
