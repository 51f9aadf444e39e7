"""Detections of a test set to the numbers of the benchmarks.

Legend: B batch, N detections of an image, H x W size of an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from torch import Tensor

from instdisc.checks import checked_call
from instdisc.data import ObjectSource
from instdisc.metrics import (
    COCOResult,
    DetectionMatches,
    DetectionStore,
    ImageResults,
    Interval,
    VOCAveragePrecision,
    VOCResult,
    bootstrap_average_precision,
    score_images,
)
from instdisc.types import Detections, ObjectBatch

from .masks import paste_masks

Protocol = Literal["coco", "voc07", "voc10"]
PROTOCOLS = ("coco", "voc07", "voc10")
_RULES: dict[str, Literal["eleven_points", "every_point"]] = {
    "voc07": "eleven_points",
    "voc10": "every_point",
}


@checked_call()
class Evaluation(NamedTuple):
    """What a test gave.

    Attributes:
        numbers: in percent; ``"box AP"``, ``"mask AP50"``, ``"VOC07 AP75"`` and so on. NaN where
            there is nothing to find.
        per_class: ``"box AP"`` and so on to the percent of each class.
        images: detections and objects of every image, in the order of the data set.
        matches: of ``"box"``, ``"mask"``, ``"VOC07"`` and so on.
    """

    numbers: dict[str, float]
    per_class: dict[str, list[float]]
    images: list[ImageResults]
    matches: Mapping[str, DetectionMatches] = MappingProxyType({})

    def headlines(self) -> dict[str, float]:
        """AP, AP50 and AP75 of `numbers`, under names for a logger.

        Example:
            >>> Evaluation({"box AP": 40.0, "box AR1": 50.0}, {}, []).headlines()
            {'box_AP': 40.0}
        """
        return {
            name.replace(" ", "_"): value
            for name, value in self.numbers.items()
            if name.endswith(("AP", "AP50", "AP75"))
        }

    def intervals(
        self, *, level: float = 0.95, num_resamples: int = 400, seed: int = 0
    ) -> dict[str, Interval]:
        """Bootstrap intervals over the images, in percent; nothing is matched again.

        Args:
            level: of confidence, between 0 and 1.
            num_resamples: how often the images are drawn.
            seed: of the drawing.

        Returns:
            By the names of `numbers`: AP, AP50 and AP75 of each of `matches`.
        """
        return {
            f"{title} {name}": Interval(100 * low, 100 * high)
            for title, matches in self.matches.items()
            for name, (low, high) in bootstrap_average_precision(
                matches, level=level, num_resamples=num_resamples, seed=seed
            ).items()
        }


class Evaluator:
    """Collects the detections of a test set, on one or many processes.

    Args:
        source: the test set; its objects are the truth, in the pixels of its files.
        protocols: ``"coco"``: COCO's AP of boxes, and of masks with `masks`. ``"voc07"``: VOC's
            AP with the rule of eleven points at .5:.05:.95. ``"voc10"``: likewise with every point.
        masks: whether detections have masks.

    Raises:
        ValueError: if a protocol is unknown, or `source` has no masks for `masks`.

    Attributes:
        store: the metric that gathers.
    """

    @checked_call()
    def __init__(
        self,
        source: ObjectSource,
        *,
        protocols: Sequence[Protocol] = ("coco",),
        masks: bool = False,
    ) -> None:
        check_protocols(protocols)
        if masks and not source.masks:
            raise ValueError(
                f"`masks`=True needs a test set with masks, and {source.name!r} has none"
            )
        self.source = source
        self.protocols = tuple(protocols)
        self.masks = masks
        self.store = DetectionStore(len(source.classes), masks=masks)

    def update(self, found: Sequence[Detections], batch: ObjectBatch) -> None:
        """Adds a batch.

        Args:
            found: of each image, in pixels of ``batch.images``, as a `Detector` gives them.
            batch: the images that they belong to.
        """
        for detections, size, original, index in zip(
            found,
            batch.sizes.tolist(),
            batch.original_sizes.tolist(),
            batch.indices.tolist(),
            strict=True,
        ):
            true = self.source.objects(index)
            restored = restore(detections, size, original, self.masks)
            areas = [self.source.areas(index)]
            position = batch.indices.new_tensor([index])
            self.store.update([restored], [true], position, areas)

    def compute(self) -> Evaluation:
        """The numbers of all processes' images."""
        images = list(self.store.compute())
        # Of equal scores those of the image with the lower id go first, as in COCO's own tool.
        ids = self.source.image_ids
        if all(isinstance(image_id, int) for image_id in ids):
            images = sorted(images, key=lambda image: ids[image.image])
        numbers: dict[str, float] = {}
        per_class: dict[str, list[float]] = {}
        matches: dict[str, DetectionMatches] = {}
        classes = len(self.source.classes)
        for protocol in self.protocols:
            if protocol == "coco":
                for kind in ("box", "mask") if self.masks else ("box",):
                    result: COCOResult = score_images(images, classes, kind)  # type: ignore[arg-type]
                    matches[kind] = result.matches
                    for name, value in result.numbers.items():
                        numbers[f"{kind} {name}"] = 100 * value
                    for name, values in result.per_class.items():
                        per_class[f"{kind} {name}"] = [100 * precision for precision in values]
            else:
                # The images of all processes are here: nothing is gathered again.
                voc: VOCResult = VOCAveragePrecision(classes, rule=_RULES[protocol]).score(images)
                title = protocol.upper()
                matches[title] = voc.matches
                for name, at in (("AP", None), ("AP50", 0.5), ("AP75", 0.75)):
                    numbers[f"{title} {name}"] = 100 * voc.mean(at)
                    rows = (
                        voc.per_class if at is None else voc.per_class[[voc.thresholds.index(at)]]
                    )
                    per_class[f"{title} {name}"] = (100 * rows.mean(0)).tolist()
        images = sorted(images, key=lambda image: image.image)
        return Evaluation(numbers, per_class, images, matches)


def restore(
    detections: Detections, size: Sequence[int], original: Sequence[int], masks: bool
) -> Detections:
    """Detections in the pixels of the file.

    Args:
        detections: in pixels of the resized image, masks as probabilities inside their boxes.
        size: height and width of the resized image, without padding.
        original: height and width of the file.
        masks: whether to paste the masks.

    Returns:
        With masks ``(N, H, W)`` bool, or without masks.
    """
    scale_y, scale_x = (after / before for after, before in zip(original, size, strict=True))
    factors = detections.boxes.new_tensor([scale_x, scale_y, scale_x, scale_y])
    boxes = detections.boxes * factors
    pasted: Tensor | None = None
    if masks:
        assert detections.masks is not None
        pasted = paste_masks(detections.masks, boxes, (original[0], original[1]))
    return detections._replace(boxes=boxes, masks=pasted)


def check_protocols(protocols: Sequence[str]) -> None:
    """Refuses what `Evaluator` does not know.

    Raises:
        ValueError: if there is none, or one is unknown.
    """
    if isinstance(protocols, str) or not protocols or not set(protocols) <= set(PROTOCOLS):
        raise ValueError(f"`protocols` must be of {', '.join(PROTOCOLS)}, got {protocols!r}")
