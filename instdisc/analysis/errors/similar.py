"""Which classes are easily taken for each other: VOC's sets, COCO's supercategories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import VOC_CLASSES

VOC_SIMILAR = (
    ("bird", "cat", "cow", "dog", "horse", "person", "sheep"),
    ("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"),
    ("bicycle", "motorbike"),
    ("chair", "diningtable", "sofa"),
    ("aeroplane", "bird"),
)
VOC_GROUPS = {
    "animals": ("bird", "cat", "cow", "dog", "horse", "sheep"),
    "vehicles": VOC_SIMILAR[1],
    "furniture": VOC_SIMILAR[3],
}
COCO_SUPERCATEGORIES = {
    "person": ("person",),
    "vehicle": (*("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),),
    "outdoor": ("traffic light", "fire hydrant", "stop sign", "parking meter", "bench"),
    "animal": (
        *("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    ),
    "accessory": ("backpack", "umbrella", "handbag", "tie", "suitcase"),
    "sports": (
        *("frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat"),
        *("baseball glove", "skateboard", "surfboard", "tennis racket"),
    ),
    "kitchen": ("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl"),
    "food": (
        *("banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza"),
        *("donut", "cake"),
    ),
    "furniture": ("chair", "couch", "potted plant", "bed", "dining table", "toilet"),
    "electronic": ("tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    "appliance": ("microwave", "oven", "toaster", "sink", "refrigerator"),
    "indoor": (*("book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),),
}


@checked_call()
def similar_classes(
    classes: Sequence[str], similar: Sequence[Sequence[str]] | None = None
) -> np.ndarray:
    """Which classes are similar to which.

    Args:
        classes: C names.
        similar: sets of names; classes of one set are similar; an empty list: none. ``None``:
            those of Hoiem et al. where all classes are VOC's, the supercategories where all are
            COCO's, else none.

    Returns:
        ``(C, C)`` bool, symmetric, False on the diagonal.

    Raises:
        ValueError: if a name of `similar` is no class.

    Source:
        Hoiem et al., "Diagnosing Error in Object Detectors" (2012), section 2.2.

    Example:
        >>> similar_classes(["cat", "dog", "chair"]).tolist()
        [[False, True, False], [True, False, False], [False, False, False]]
    """
    names = [str(name) for name in checks.filled("classes", classes)]
    if similar is None:
        coco = {name for group in COCO_SUPERCATEGORIES.values() for name in group}
        sets: Sequence[Sequence[str]] = ()
        if set(names) <= set(VOC_CLASSES):
            sets = VOC_SIMILAR
        elif set(names) <= coco:
            sets = tuple(COCO_SUPERCATEGORIES.values())
    else:
        sets = similar
        for name in (name for group in similar for name in group):
            if name not in names:
                checks.refuse("similar", f"of classes, {names}", name)
    table = np.zeros((len(names), len(names)), dtype=bool)
    for group in sets:
        rows = [place for place, name in enumerate(names) if name in group]
        table[np.ix_(rows, rows)] = True
    np.fill_diagonal(table, False)
    return table
