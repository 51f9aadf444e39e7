"""What the metrics ask of the detections and objects of an image.

Legend: N detections or objects.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import checks
from instdisc.types import Detections, Objects

from ..inputs import check_classes

_NUMBERS = (*checks.FLOATS, *checks.INTEGERS)


def check_images(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    indices: Tensor,
    areas: Sequence[Tensor] | None,
    num_classes: int,
) -> None:
    """Refuses what cannot be scored, by the name and the place of the image in the batch.

    Raises:
        TypeError: if a tensor is of another kind of number.
        ValueError: if the lists differ in length, or so do the rows of an image; a box, score or
            area is not finite; an object's box ends before it begins; a label is no class.
    """
    for name, images, kind in (
        ("detections", detections, Detections),
        ("objects", objects, Objects),
    ):
        checks.instance(name, images, Sequence, f"a list of {kind.__name__}, one for each image")
        for place, image in enumerate(images):
            checks.instance(f"{name}[{place}]", image, kind, f"a {kind.__name__}")
    checks.instance("indices", indices, Tensor, "a tensor (B,)")
    checks.shape("indices", indices, ("B",))
    counts = [len(detections), len(objects), len(indices)]
    if len(set(counts + ([] if areas is None else [len(areas)]))) > 1:
        raise ValueError(
            "`detections`, `objects` and `indices` must be of the same images, got "
            f"{counts[0]}, {counts[1]} and {counts[2]}"
            + ("" if areas is None else f", and `areas` of {len(areas)}")
        )
    for place, (detected, true) in enumerate(zip(detections, objects, strict=True)):
        name = f"detections[{place}]"
        count = _check_boxes(name, detected.boxes, detected.labels, num_classes)
        scores = checks.shape(f"{name}.scores", detected.scores, (count,))
        checks.dtype(f"{name}.scores", scores, _NUMBERS)
        checks.all_finite(f"{name}.scores", scores, row="detection")
        name = f"objects[{place}]"
        count = _check_boxes(name, true.boxes, true.labels, num_classes)
        # A detector's may be: such a box overlaps nothing.
        turned = (true.boxes[:, 2:] < true.boxes[:, :2]).any(1)
        if bool(turned.any()):
            box = true.boxes[turned][0].tolist()
            checks.refuse(f"{name}.boxes", "left, top, right, bottom", box)
        for mark in ("difficult", "crowd"):
            marks = checks.shape(f"{name}.{mark}", getattr(true, mark), (count,))
            checks.dtype(f"{name}.{mark}", marks, torch.bool)
        if areas is not None:
            area = checks.shape(f"areas[{place}]", areas[place], (count,))
            checks.all_finite(f"areas[{place}]", area, row="object")


def _check_boxes(name: str, boxes: Tensor, labels: Tensor, num_classes: int) -> int:
    checks.shape(f"{name}.boxes", boxes, ("N", 4))
    checks.dtype(f"{name}.boxes", boxes, _NUMBERS)
    checks.all_finite(f"{name}.boxes", boxes, row="box")
    checks.shape(f"{name}.labels", labels, (len(boxes),))
    check_classes(f"{name}.labels", labels, num_classes)
    return len(boxes)
