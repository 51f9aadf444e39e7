"""Detections that a detection task kept, as they came from the detector.

Legend: N images, D detections of all images.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ObjectSource
from instdisc.types import Detections, Objects

_COLUMNS = ("image", "boxes", "boxes_ends", "labels", "scores")


@checked_call()
def kept_detections(
    predictions: Mapping[str, np.ndarray], images: ObjectSource
) -> list[Detections]:
    """Of each image its detections, without masks, which are not kept.

    Args:
        predictions: arrays of `instdisc.transfer.detect`'s ``predictions=``, as
            `instdisc.transfer.read_predictions` reads them: ``image`` ids; ``boxes`` ``(D, 4)``,
            ``labels`` and ``scores`` one image after the other; ``boxes_ends``.
        images: the N images that they are about, in any order.

    Raises:
        ValueError: if an array is missing or of another length, an image is not among `images` or
            there twice, or one of `images` is missing.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> kept = {"image": np.array(["0"]), "boxes": np.zeros((0, 4)), "labels": np.zeros(0),
        ...     "scores": np.zeros(0), "boxes_ends": np.array([0])}
        >>> kept_detections(kept, SceneObjects(Scenes(2, image_size=32)))
        Traceback (most recent call last):
        ValueError: `predictions` must be of every image of 'scenes', got none of 1
    """
    for name in _COLUMNS:
        if name not in predictions:
            checks.refuse("predictions", f"with {name!r}", sorted(predictions))
    names = [str(name) for name in predictions["image"]]
    ends = predictions["boxes_ends"]
    count = int(ends[-1]) if len(ends) else 0
    lengths = {name: len(predictions[name]) for name in ("boxes", "labels", "scores")}
    if len(ends) != len(names) or set(lengths.values()) != {count}:
        rule = f"of {count} detections in {len(names)} images"
        checks.refuse("predictions", rule, {**lengths, "boxes_ends": len(ends)})
    position = {str(name): place for place, name in enumerate(images.image_ids)}
    rows: dict[int, Detections] = {}
    for name, start, end in zip(names, [0, *ends[:-1]], ends, strict=True):
        if name not in position:
            checks.refuse("predictions", f"of images of {images.name!r}", name)
        if position[name] in rows:
            checks.refuse("predictions", "of each image once", name)
        rows[position[name]] = Detections(
            torch.from_numpy(np.asarray(predictions["boxes"][start:end])),
            torch.from_numpy(np.asarray(predictions["labels"][start:end])),
            torch.from_numpy(np.asarray(predictions["scores"][start:end])),
            None,
        )
    missing = [place for place in range(len(images)) if place not in rows]
    if missing:
        rule = f"of every image of {images.name!r}"
        raise ValueError(
            f"`predictions` must be {rule}, got none of {images.image_ids[missing[0]]!r}"
        )
    return [rows[place] for place in range(len(images))]


def true_objects(images: ObjectSource, *, masks: bool = False) -> list[Objects]:
    """The objects of all images.

    Args:
        images: the test set.
        masks: whether they are to have masks.

    Raises:
        ValueError: if they are to and have none.
    """
    if masks and not images.masks:
        checks.refuse("images", "with masks for masks", images.name, "Or look at boxes.")
    rows = (images.objects(place) for place in range(len(images)))
    return [row if masks else row._replace(masks=None) for row in rows]
