"""Detections as a file in COCO's format of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from instdisc.checks import checked_call
from instdisc.data import ObjectSource
from instdisc.metrics import ImageResults, RunLengths, decode_masks
from instdisc.types import Detections


@checked_call()
def write_results(images: Sequence[ImageResults], source: ObjectSource, path: str | Path) -> Path:
    """Writes the detections of a test set for any tool that reads COCO's results.

    Each is ``image_id``, ``category_id`` (both as in the annotations), ``bbox`` (left, top, width,
    height in pixels of the file), ``score`` and, with masks, ``segmentation`` (run lengths).

    Args:
        images: of an `Evaluation`.
        source: the test set.
        path: a ``.json`` file; its folder is made if need be.

    Returns:
        `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.write("[")
        first = True
        for image in images:
            for entry in _rows(image, source):
                file.write(("\n" if first else ",\n") + json.dumps(entry))
                first = False
        file.write("\n]\n")
    return path


@checked_call()
def read_results(path: str | Path, source: ObjectSource) -> list[Detections]:
    """Reads such a file, whoever wrote it.

    Args:
        path: the file.
        source: the set of images it is about.

    Returns:
        Of each image of `source` its detections, best first; masks ``(N, H, W)`` bool if the
        file has them. Where there are no boxes they are those around the masks.

    Raises:
        ValueError: if the file is not in this format, or names an image or category that `source`
            does not have.
    """
    path = Path(path)
    image = {image_id: row for row, image_id in enumerate(source.image_ids)}
    label = {category_id: row for row, category_id in enumerate(source.category_ids)}
    rows: list[list[dict[str, Any]]] = [[] for _ in source.image_ids]
    try:
        content = json.loads(path.read_text())
        for entry in content:
            if entry["image_id"] not in image or entry["category_id"] not in label:
                raise ValueError(
                    f"{path} has a detection of category {entry['category_id']!r} in image "
                    f"{entry['image_id']!r}, which {source.name!r} does not have"
                )
            rows[image[entry["image_id"]]].append(entry)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a file of results in COCO's format: {error!r}") from error
    outlined = bool(content) and all("segmentation" in entry for entry in content)
    return [
        _detections(entries, label, source.sizes[place].tolist(), outlined)
        for place, entries in enumerate(rows)
    ]


def _rows(image: ImageResults, source: ObjectSource) -> list[dict[str, Any]]:
    detections = image.detections
    rows = []
    for row, (left, top, right, bottom) in enumerate(detections.boxes.tolist()):
        entry: dict[str, Any] = {
            "image_id": source.image_ids[image.image],
            "category_id": source.category_ids[int(detections.labels[row])],
            "bbox": [round(value, 3) for value in (left, top, right - left, bottom - top)],
            "score": round(float(detections.scores[row]), 6),
        }
        if image.detection_masks is not None:
            counts = image.detection_masks.counts[row].decode("ascii")
            entry["segmentation"] = {"size": list(image.detection_masks.size), "counts": counts}
        rows.append(entry)
    return rows


def _detections(
    rows: list[dict[str, Any]], label: dict[int, int], size: list[int], outlined: bool
) -> Detections:
    rows = sorted(rows, key=lambda entry: -entry["score"])
    masks = None
    if outlined:
        counts = [entry["segmentation"]["counts"].encode("ascii") for entry in rows]
        masks = decode_masks(RunLengths((size[0], size[1]), counts))
    boxes = torch.zeros(len(rows), 4, dtype=torch.float64)
    for row, entry in enumerate(rows):
        if "bbox" in entry:
            left, top, width, height = entry["bbox"]
            boxes[row] = torch.tensor([left, top, left + width, top + height])
        elif masks is not None and masks[row].any():
            down, across = masks[row].nonzero().unbind(1)
            corners = [across.min(), down.min(), across.max() + 1, down.max() + 1]
            boxes[row] = torch.stack(corners)
    labels = torch.tensor([label[entry["category_id"]] for entry in rows], dtype=torch.int64)
    scores = torch.tensor([entry["score"] for entry in rows], dtype=torch.float32)
    return Detections(boxes, labels, scores, masks)
