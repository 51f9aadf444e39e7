"""Average precision of COCO, by pycocotools.

Legend: C classes.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import Detections, Objects

from .matches import DetectionMatches, coco_levels
from .tables import ImageResults, ImageTables

Kind = Literal["box", "mask"]
COCO_NUMBERS = (
    *("AP", "AP50", "AP75", "AP small", "AP medium", "AP large"),
    *("AR1", "AR10", "AR100", "AR small", "AR medium", "AR large"),
)


@checked_call()
class COCOResult(NamedTuple):
    """What COCO prints, in [0, 1]; NaN where there is no object to find.

    Attributes:
        numbers: the twelve of `COCO_NUMBERS`.
        per_class: ``"AP"``, ``"AP50"`` and ``"AP75"``, each C numbers.
        matches: of detections and objects of all sizes, for `bootstrap_average_precision`.
    """

    numbers: dict[str, float]
    per_class: dict[str, list[float]]
    matches: DetectionMatches


@checked_call()
def coco_average_precision(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    *,
    num_classes: int,
    kind: Kind = "box",
    areas: Sequence[Tensor] | None = None,
) -> COCOResult:
    """The twelve numbers of COCO, and the average precision of every class.

    pycocotools computes them; it prints nothing here. AP is the mean over 101 levels of recall,
    the overlaps .5:.05:.95 and the classes, with at most 100 detections per image. Crowds and
    difficult objects are ignored: to find them is neither right nor wrong.

    Args:
        detections: of each image.
        objects: of the same images.
        num_classes: C.
        kind: overlap of boxes or of masks.
        areas: of the objects of each image, where a data set says it; see `DetectionStore`.

    Raises:
        TypeError, ValueError: if `kind` is unknown; and as `DetectionStore`.

    Source:
        Lin et al., "Microsoft COCO" (2014), and cocodataset.org/#detection-eval. Differs from it:
        VOC's difficult objects are ignored as well, by their overlap as a whole.

    Example:
        >>> one = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
        >>> no = torch.zeros(1, dtype=torch.bool)
        >>> truth = Objects(one, torch.tensor([0]), None, no, no)
        >>> found = Detections(one, torch.tensor([0]), torch.tensor([0.9]), None)
        >>> result = coco_average_precision([found], [truth], num_classes=1)
        >>> round(result.numbers["AP"], 6), result.numbers["AP large"]
        (1.0, nan)
    """
    metric = COCOAveragePrecision(num_classes, kinds=(kind,))
    metric.update(detections, objects, torch.arange(len(objects)), areas)
    return score_images(metric.images(), num_classes, kind)  # gathers nothing


class COCOAveragePrecision(ImageTables):
    """`coco_average_precision` of a test set that comes in batches, on one or many processes.

    Args:
        num_classes: C.
        kinds: overlap of boxes, of masks, or both.

    Raises:
        TypeError, ValueError: if a kind is unknown; and as `DetectionStore`.

    Example:
        >>> metric = COCOAveragePrecision(80)
        >>> metric.update([], [], torch.zeros(0, dtype=torch.int64))
        >>> list(metric.compute()["box"].numbers)[:3]
        ['AP', 'AP50', 'AP75']
    """

    @checked_call()
    def __init__(self, num_classes: int, *, kinds: Sequence[Kind] = ("box",)) -> None:
        if isinstance(kinds, str) or not kinds or not set(kinds) <= {"box", "mask"}:
            checks.refuse("kinds", "of 'box' and 'mask'", kinds)
        super().__init__(num_classes, masks="mask" in kinds)
        self.kinds = tuple(kinds)

    def compute(self) -> dict[Kind, COCOResult]:
        images = self.images()
        return {kind: score_images(images, self.num_classes, kind) for kind in self.kinds}


@checked_call()
def score_images(images: Collection[ImageResults], num_classes: int, kind: Kind) -> COCOResult:
    """`coco_average_precision` of the images of a `DetectionStore`.

    Args:
        images: what `DetectionStore.compute` gives. Where scores are equal, those of an earlier
            image go first; COCO has the images in the order of their ids.
        num_classes: C.
        kind: overlap of boxes or of masks; for masks the store must have kept them.

    Raises:
        ValueError: if `kind` is unknown, or masks were not kept.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = _ground_truth(images, num_classes, kind), _results(images, kind)
        evaluation = _Evaluation(
            truth, _loaded(truth, results), {"box": "bbox", "mask": "segm"}[kind]
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # (T overlaps, R recalls, C, areas, most detections); -1 where a class has no object
    precision = torch.from_numpy(evaluation.eval["precision"])[..., 0, -1]
    precision = torch.where(precision < 0, torch.nan, precision).nanmean(1)  # (T, C)
    numbers = [float(value) if value >= 0 else float("nan") for value in evaluation.stats]
    rows = {"AP": precision.mean(0), "AP50": precision[0], "AP75": precision[5]}
    per_class: dict[str, list[float]] = {name: row.tolist() for name, row in rows.items()}
    matches = _matches(evaluation, images, num_classes)
    return COCOResult(dict(zip(COCO_NUMBERS, numbers, strict=True)), per_class, matches)


class _Evaluation(COCOeval):
    """Ignores difficult objects too; pycocotools looks at crowds alone."""

    def _prepare(self) -> None:
        super()._prepare()
        for objects in self._gts.values():
            for annotation in objects:
                annotation["ignore"] = int(annotation["ignore"] or annotation["difficult"])


def _matches(
    evaluation: COCOeval, images: Collection[ImageResults], num_classes: int
) -> DetectionMatches:
    """What pycocotools matched among objects of all sizes."""
    thresholds = [round(float(threshold), 2) for threshold in evaluation.params.iouThrs]
    num_images, num_areas = len(images), len(evaluation.params.areaRng)
    keys: list[tuple[int, int]] = []  # image and class
    scores: list[Any] = []
    matched: list[Any] = []
    ignored: list[Any] = []
    objects: list[tuple[int, int]] = []
    for label in range(num_classes):
        for place in range(num_images):
            result = evaluation.evalImgs[label * num_areas * num_images + place]
            if result is not None:
                keys += [(place, label)] * len(result["dtScores"])
                scores += result["dtScores"]
                matched.append(result["dtMatches"] > 0)
                ignored.append(result["dtIgnore"] > 0)
                objects += [(place, label)] * int((result["gtIgnore"] == 0).sum())
    none = np.zeros((len(thresholds), 0), dtype=bool)
    hits, out = (torch.from_numpy(np.concatenate([none, *rows], 1)) for rows in (matched, ignored))
    detected, true = (torch.tensor(rows, dtype=torch.int64).view(-1, 2) for rows in (keys, objects))
    return DetectionMatches(
        num_images=num_images,
        num_classes=num_classes,
        thresholds=thresholds,
        images=detected[:, 0],
        labels=detected[:, 1],
        scores=torch.tensor(scores, dtype=torch.float64),
        right=hits & ~out,
        ignored=out,
        object_images=true[:, 0],
        object_labels=true[:, 1],
        levels=coco_levels(),
    )


def _ground_truth(images: Collection[ImageResults], num_classes: int, kind: Kind) -> COCO:
    annotations: list[dict[str, Any]] = []
    for place, image in enumerate(images):
        boxes = _as_sides(image.true.boxes)
        for row, box in enumerate(boxes):
            annotation: dict[str, Any] = {
                "id": len(annotations) + 1,  # 0 would mean "not matched"
                "image_id": place,
                "category_id": int(image.true.labels[row]),
                "bbox": box,
                "area": float(image.areas[row]),
                "iscrowd": int(image.true.crowd[row]),
                "difficult": int(image.true.difficult[row]),
            }
            if kind == "mask":
                annotation["segmentation"] = _run_lengths(image.true_masks, row)
            annotations.append(annotation)
    return _indexed(
        {
            "images": [_described(place, image) for place, image in enumerate(images)],
            "categories": [{"id": label} for label in range(num_classes)],
            "annotations": annotations,
        }
    )


def _results(images: Collection[ImageResults], kind: Kind) -> list[dict[str, Any]]:
    results = []
    for place, image in enumerate(images):
        boxes = _as_sides(image.detections.boxes)
        for row, score in enumerate(image.detections.scores.tolist()):
            result = {
                "image_id": place,
                "category_id": int(image.detections.labels[row]),
                "score": score,
            }
            if kind == "mask":
                result["segmentation"] = _run_lengths(image.detection_masks, row)
            else:
                result["bbox"] = boxes[row]
            results.append(result)
    return results


def _described(place: int, image: ImageResults) -> dict[str, int]:
    height, width = image.true_masks.size if image.true_masks is not None else (0, 0)
    return {"id": place, "height": height, "width": width}


def _run_lengths(masks: Any, row: int) -> dict[str, Any]:
    if masks is None:
        raise ValueError("`kind`='mask' needs images whose masks were kept, got boxes alone")
    return {"size": list(masks.size), "counts": masks.counts[row]}


def _as_sides(boxes: Tensor) -> list[list[float]]:
    """Left, top, width, height."""
    sides: list[list[float]] = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()
    return sides


def _loaded(truth: COCO, results: list[dict[str, Any]]) -> COCO:
    if results:
        return truth.loadRes(results)
    return _indexed({**truth.dataset, "annotations": []})  # loadRes cannot do without one


def _indexed(content: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    return coco
