"""Small pictures of detections for a report: the same test images for every detector.

Legend: N objects, H x W size of an image, h x w that of its picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from instdisc.data import ObjectSource
from instdisc.metrics import ImageResults, RunLengths, decode_masks

from ..thumbnails import NUM_SHOWN, picture_columns, picture_scale, resized, spread_order
from .pictures import class_color

_MIN_SCORE = 0.5


def shown_columns(
    images: Sequence[ImageResults], source: ObjectSource, longest: int
) -> dict[str, Any]:
    """Objects and detections of a few test images, see `picture_columns`.

    Args:
        images: the results of a test; images without objects are not shown.
        source: the test set.
        longest: side of a picture in pixels.
    """
    images = [image for image in images if len(image.true.boxes)]
    names = [str(source.image_ids[image.image]) for image in images]
    chosen = spread_order(names)[:NUM_SHOWN]
    truths, predictions = [], []
    labels: set[int] = set()
    for image in (images[place] for place in chosen):
        true, detections = image.true, image.detections
        sure = detections.scores >= _MIN_SCORE
        boxes, predicted = detections.boxes[sure], detections.labels[sure]
        masks = _masks(image.detection_masks)
        labels.update(true.labels.tolist(), predicted.tolist())
        picture = source.read(image.image)
        truths.append(
            (
                _drawn(picture, longest, true.boxes, true.labels, _masks(image.true_masks), source),
                _words(true.labels, source.classes),
            )
        )
        masks = None if masks is None else masks[sure.cpu()]
        predictions.append(
            (
                _drawn(picture, longest, boxes, predicted, masks, source),
                _words(predicted, source.classes, detections.scores[sure]),
            )
        )
    count = len(source.classes)
    key = {source.classes[label]: class_color(label, count) for label in sorted(labels)}
    return picture_columns([names[place] for place in chosen], truths, predictions, longest, key)


def _masks(runs: RunLengths | None) -> Tensor | None:
    return None if runs is None else decode_masks(runs)


def _drawn(
    image: Tensor,
    longest: int,
    boxes: Tensor,
    labels: Tensor,
    masks: Tensor | None,
    source: ObjectSource,
) -> Tensor:
    """Boxes and masks on an image of the size in which it is kept, so that lines stay lines."""
    scale = picture_scale(image.shape[1], image.shape[2], longest)
    picture = resized(image, longest, enlarge=True)
    if not len(boxes):
        return picture
    height, width = picture.shape[1:]
    colors = [class_color(label, len(source.classes)) for label in labels.tolist()]
    if masks is not None:
        small = F.interpolate(masks[:, None].float(), (height, width), mode="area")[:, 0] >= 0.5
        # One by one: torchvision leaves out what two masks share.
        for mask, color in zip(small, colors, strict=True):
            picture = draw_segmentation_masks(picture, mask, alpha=0.45, colors=[color])
    limits = boxes.new_tensor([width, height, width, height]).cpu().double() - 1
    corners = (boxes.cpu().double() * scale).clamp(min=0).minimum(limits)
    return draw_bounding_boxes(picture, corners, colors=colors, width=2)


def _words(labels: Tensor, classes: Sequence[str], scores: Tensor | None = None) -> str:
    """E.g. ``"2 cat (best 0.91), 1 dog (best 0.60)"``."""
    best: dict[int, float] = {}
    for label, score in zip(
        labels.tolist(), [] if scores is None else scores.tolist(), strict=False
    ):
        best[label] = max(score, best.get(label, 0.0))
    texts = [
        f"{count} {classes[label]}" + (f" (best {best[label]:.2f})" if label in best else "")
        for label, count in sorted(Counter(labels.tolist()).items())
    ]
    return ", ".join(texts) or f"nothing with a score of at least {_MIN_SCORE}"
