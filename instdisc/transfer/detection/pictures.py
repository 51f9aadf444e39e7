"""Pictures of test images with their objects and their detections.

Legend: N objects, H x W size of an image.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torchvision.io import write_png
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from instdisc.checks import checked_call, dtype, refuse, shape
from instdisc.data import ObjectSource
from instdisc.metrics import ImageResults, decode_masks
from instdisc.types import Detections, Objects

_GAP = 8
_SMALLEST_SIDE = 320  # smaller images are enlarged, else the names would cover them


@checked_call()
def save_detection_pictures(
    images: Sequence[ImageResults],
    source: ObjectSource,
    folder: str | Path,
    *,
    num_images: int = 8,
    min_score: float = 0.5,
) -> list[Path]:
    """Saves some images of a test set, each with its objects (left) and its detections (right).

    Args:
        images: of an `Evaluation`; they are taken at equal distances.
        source: the test set.
        folder: where to save; it is made if need be.
        num_images: at most so many.
        min_score: of the detections that are drawn.

    Returns:
        The files, ``IMAGE_ID.png``.

    Raises:
        ValueError: if `num_images` is not positive.
    """
    if num_images < 1:
        raise ValueError(f"`num_images` must be positive, got {num_images}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count = min(num_images, len(images))
    files = []
    for place in range(count):
        result = images[place * len(images) // count]
        detections, true = result.detections, result.true
        if result.detection_masks is not None and result.true_masks is not None:
            detections = detections._replace(masks=decode_masks(result.detection_masks))
            true = true._replace(masks=decode_masks(result.true_masks))
        picture = detection_picture(
            source.read(result.image), true, detections, source.classes, min_score=min_score
        )
        file = folder / f"{Path(str(source.image_ids[result.image])).stem}.png"
        write_png(picture, str(file))
        files.append(file)
    return files


@checked_call()
def detection_picture(
    image: Tensor,
    true: Objects,
    found: Detections,
    classes: Sequence[str],
    *,
    min_score: float = 0.5,
) -> Tensor:
    """An image twice: with its objects, and with its detections.

    Args:
        image: ``(3, H, W)`` uint8.
        true: its objects, drawn left; those that do not count (difficult, crowd) with a star.
        found: its detections, drawn right with their scores; masks ``(N, H, W)`` bool or ``None``.
        classes: names of the classes; each class has a colour.
        min_score: of the detections that are drawn.

    Returns:
        ``(3, h, w)`` uint8; small images are enlarged.

    Example:
        >>> no = torch.zeros(1, dtype=torch.bool)
        >>> box, label = torch.tensor([[4.0, 4.0, 20.0, 24.0]]), torch.tensor([0])
        >>> picture = detection_picture(torch.zeros(3, 32, 32, dtype=torch.uint8),
        ...     Objects(box, label, None, no, no),
        ...     Detections(box, label, torch.tensor([0.9]), None), ["cat"])
        >>> picture.shape
        torch.Size([3, 320, 648])
    """
    dtype("image", shape("image", image, (3, "H", "W")), torch.uint8)
    if not image.numel():
        refuse("image", "of at least one pixel", image)
    for name, labels in (("true", true.labels), ("found", found.labels)):
        if len(labels) and int(labels.max()) >= len(classes):
            rule = f"as many as the labels of `{name}`, at least {int(labels.max()) + 1}"
            refuse("classes", rule, list(classes))
    shown = found.scores >= min_score
    passed_over = (true.difficult | true.crowd).tolist()
    stars = ["*" if mark else "" for mark in passed_over]
    left = _draw(image, true.boxes, true.labels, true.masks, classes, stars)
    right = _draw(
        image,
        found.boxes[shown],
        found.labels[shown],
        None if found.masks is None else found.masks[shown],
        classes,
        [f" {score:.2f}" for score in found.scores[shown].tolist()],
    )
    gap = torch.full((3, left.shape[1], _GAP), 255, dtype=torch.uint8)
    return torch.cat([left, gap, right], 2)


def _draw(
    image: Tensor,
    boxes: Tensor,
    labels: Tensor,
    masks: Tensor | None,
    classes: Sequence[str],
    notes: Sequence[str],
) -> Tensor:
    height, width = image.shape[1:]
    scale = max(1, -(-_SMALLEST_SIDE // min(height, width)))
    image = image.cpu().repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    if not len(boxes):
        return image
    colours = [class_color(label, len(classes)) for label in labels.tolist()]
    if masks is not None:
        enlarged = masks.cpu().repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        # One by one: torchvision leaves out what two masks share.
        for mask, colour in zip(enlarged, colours, strict=True):
            image = draw_segmentation_masks(image, mask, alpha=0.45, colors=[colour])
    limits = torch.tensor([width, height, width, height]) * scale - 1
    corners = (boxes.cpu().double() * scale).clamp(min=0).minimum(limits)
    names = [classes[label] + note for label, note in zip(labels.tolist(), notes, strict=True)]
    return draw_bounding_boxes(
        image, corners, labels=names, colors=colours, width=2, label_colors="white",
        fill_labels=True,
    )  # fmt: skip


def class_color(label: int, count: int) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of one of so many classes."""
    # The golden ratio keeps neighbours apart, however many classes there are.
    red, green, blue = colorsys.hsv_to_rgb((label * 0.618034) % 1 if count > 1 else 0.0, 0.85, 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)
