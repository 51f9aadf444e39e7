"""The detections and the objects of a test set, without its images.

Legend: B images of a batch, N detections or objects of an image.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import Detections, Objects

from ..rows import RowMetric, check_indices, empty_rows, image_order
from .inputs import check_images
from .masks import RunLengths, encode_masks, pack_counts, unpack_counts


@checked_call()
class ImageResults(NamedTuple):
    """One image of a test set.

    Attributes:
        image: its position in the data set.
        detections: best first; ``masks`` is ``None``.
        detection_masks: of the detections, or ``None``.
        true: objects; ``masks`` is ``None``.
        true_masks: of the objects, or ``None``.
        areas: ``(N,)`` float64 of the objects in pixels.
    """

    image: int
    detections: Detections
    detection_masks: RunLengths | None
    true: Objects
    true_masks: RunLengths | None
    areas: Tensor

    @property
    def found(self) -> Detections:
        """The former name of `detections`, for one more release."""
        _warn_renamed("found", "detections")
        return self.detections

    @property
    def found_masks(self) -> RunLengths | None:
        """The former name of `detection_masks`, for one more release."""
        _warn_renamed("found_masks", "detection_masks")
        return self.detection_masks


class ImageList:
    """The images of a test set, to be run through; no list, since torchmetrics would look inside
    and take the rows of one for a number.

    Args:
        images: in any order.
    """

    @checked_call()
    def __init__(self, images: Iterable[ImageResults]) -> None:
        self._images = list(images)
        for place, image in enumerate(self._images):
            checks.instance(f"images[{place}]", image, ImageResults, "an ImageResults")

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: int) -> ImageResults:
        return self._images[place]

    def __iter__(self) -> Iterator[ImageResults]:
        return iter(self._images)


class ImageTables(RowMetric):
    """What `DetectionStore` keeps and takes; what is made of it is up to its children."""

    def __init__(self, num_classes: int, *, masks: bool = False) -> None:
        checks.whole("num_classes", num_classes)
        checks.flag("masks", masks)
        integer, real = torch.int64, torch.float64
        # seen: image, number of detections, number of objects, height, width.
        empty = {"seen": empty_rows(5, integer)}
        for side, values in (("predicted", "scores"), ("true", "areas")):
            empty[f"{side}_boxes"] = empty_rows(4, real)
            empty[f"{side}_labels"] = empty_rows(None, integer)
            empty[f"{side}_{values}"] = empty_rows(None, real)
            if masks:
                empty[f"{side}_lengths"] = empty_rows(None, integer)
                empty[f"{side}_counts"] = empty_rows(None, torch.uint8)
        empty["true_marks"] = empty_rows(2, torch.bool)  # difficult, crowd
        super().__init__(empty)
        self.num_classes = num_classes
        self.masks = masks

    def update(
        self,
        detections: Sequence[Detections],
        objects: Sequence[Objects],
        indices: Tensor,
        areas: Sequence[Tensor] | None = None,
    ) -> None:
        """Adds images.

        Args:
            detections: of each image, in the pixels of the file.
            objects: of each image, likewise.
            indices: ``(B,)`` int64, the images' positions in the data set. Each counts once,
                though a distributed sampler may repeat it.
            areas: ``(N,)`` of the objects, where the data set says it, as COCO does. ``None``:
                of the mask, or of the box where there is none. They sort objects into small,
                medium and large.
        """
        check_images(detections, objects, indices, areas, self.num_classes)
        indices = check_indices(indices, len(detections), torch.device("cpu"))
        for position, (predicted, true, image) in enumerate(
            zip(detections, objects, indices.tolist(), strict=True)
        ):
            size = self._add_masks(predicted, true, image) if self.masks else (0, 0)
            area = object_areas(true) if areas is None else areas[position]
            self.add_rows(
                seen=torch.tensor([[image, len(predicted.labels), len(true.labels), *size]]),
                predicted_boxes=predicted.boxes,
                predicted_labels=predicted.labels,
                predicted_scores=predicted.scores,
                true_boxes=true.boxes,
                true_labels=true.labels,
                true_areas=area,
                true_marks=torch.stack([true.difficult, true.crowd], 1),
            )

    def images(self) -> list[ImageResults]:
        """Every image that this process holds, once, in the order of the data set.

        Raises:
            ValueError: if an index came with two different images.
        """
        seen = self.rows("seen").cpu()
        detections = _split(self, "predicted", ("boxes", "labels", "scores"), seen[:, 1])
        true = _split(self, "true", ("boxes", "labels", "areas", "marks"), seen[:, 2])

        def image(row: int) -> ImageResults:
            index, _, _, height, width = seen[row].tolist()
            boxes, labels, scores, counts = detections[row]
            true_boxes, true_labels, areas, marks, true_counts = true[row]
            size = (height, width)
            return ImageResults(
                index,
                Detections(boxes, labels, scores, None),
                RunLengths(size, counts) if self.masks else None,
                Objects(true_boxes, true_labels, None, *marks.T),
                RunLengths(size, true_counts) if self.masks else None,
                areas,
            )

        order = image_order(seen[:, 0])
        places = {int(seen[row, 0]): row for row in order.tolist()}
        for row, index in enumerate(seen[:, 0].tolist()):
            first = places[index]
            if row != first and not all(map(torch.equal, true[row][:2], true[first][:2])):
                checks.refuse(
                    "indices", "the position of each image in the data set", index,
                    "It came with two different images.",
                )  # fmt: skip
        return [image(row) for row in order.tolist()]

    def _add_masks(self, detections: Detections, true: Objects, image: int) -> tuple[int, int]:
        if detections.masks is None or true.masks is None:
            raise ValueError(
                f"`masks`=True needs masks of detections and objects; those of image {image} have "
                f"{'no ' if detections.masks is None else ''}masks and "
                f"{'no ' if true.masks is None else ''}masks"
            )
        for name, masks, rows in (
            ("detections", detections.masks, detections.labels),
            ("objects", true.masks, true.labels),
        ):
            checks.shape(f"masks of {name}", masks, (len(rows), "H", "W"))
        if detections.masks.shape[-2:] != true.masks.shape[-2:]:
            raise ValueError(
                f"the masks of image {image} must be of one size, got "
                f"{tuple(detections.masks.shape[-2:])} for `detections` and "
                f"{tuple(true.masks.shape[-2:])} for `objects`"
            )
        for side, masks in (("predicted", detections.masks), ("true", true.masks)):
            counts, lengths = pack_counts(encode_masks(masks).counts)
            self.add_rows(**{f"{side}_counts": counts, f"{side}_lengths": lengths})
        return (int(true.masks.shape[-2]), int(true.masks.shape[-1]))


class DetectionStore(ImageTables):
    """Gathers detections and objects of a test set over processes; masks as run lengths.

    Args:
        num_classes: C.
        masks: whether masks are kept. Then every image must come with both.

    Raises:
        TypeError, ValueError: if `num_classes` is no positive whole number; in `update`, if
            lists or the rows of an image do not belong together, a box, score or area is not
            finite, an object's box ends before it begins, a label is no class, or masks are
            lacking or of different sizes; in `compute`, if two different images had one index.

    Example:
        >>> store = DetectionStore(3)
        >>> none = torch.zeros(0, dtype=torch.bool)
        >>> boxes, labels = torch.zeros(0, 4), torch.zeros(0).long()
        >>> detections = Detections(boxes, labels, torch.zeros(0), None)
        >>> objects = Objects(boxes, labels, None, none, none)
        >>> store.update([detections], [objects], torch.tensor([7]))
        >>> [image.image for image in store.compute()]
        [7]
    """

    def compute(self) -> ImageList:
        return ImageList(self.images())


def _warn_renamed(former: str, name: str) -> None:
    warnings.warn(
        f"`ImageResults.{former}` is called `{name}` now; the former name goes with "
        "the next release",
        FutureWarning,
        stacklevel=3,
    )


def object_areas(true: Objects) -> Tensor:
    """``(N,)`` float64 pixels of each mask, or of each box where there are no masks."""
    if true.masks is not None:
        return true.masks.flatten(1).sum(1).double()
    sides = (true.boxes[:, 2:] - true.boxes[:, :2]).double()
    return sides.prod(1)


def _split(store: ImageTables, side: str, names: Sequence[str], sizes: Tensor) -> list:
    """Of each image, its rows of each table, and the bytes of its masks."""
    sizes_ = sizes.tolist()
    tables = [store.rows(f"{side}_{name}").cpu().split(sizes_) for name in names]
    if not store.masks:
        return list(zip(*tables, [[]] * len(sizes_), strict=True))
    rows, lengths = (store.rows(f"{side}_{name}").cpu() for name in ("counts", "lengths"))
    counts = unpack_counts(rows, lengths)
    ends = sizes.cumsum(0).tolist()
    parts = [counts[end - size : end] for size, end in zip(sizes_, ends, strict=True)]
    return list(zip(*tables, parts, strict=True))
