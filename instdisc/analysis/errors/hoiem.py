"""What the false positives of a detector are (Hoiem et al.).

Legend: D detections and M objects of all images, C classes, P pairs that overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import Detections, Objects

from .fixes import Fix, FixedPrecisions, mean_over_classes
from .overlaps import NO_OBJECT, Kind, Overlaps, find_overlaps
from .ranks import HOIEM_TYPES, IGNORED, Ranks
from .similar import similar_classes
from .tide import LEFT_OUT

_IMPACTS = ("no Loc", "no Sim", "no Oth and BG", "only Loc", "only Sim", "mended Loc")


@checked_call()
class HoiemResult(NamedTuple):
    """Precisions and gains are shares in [0, 1].

    Attributes:
        labels: ``(D,)`` int64 of the detections one image after the other, as given: the place in
            `HOIEM_TYPES`, 5 for what counts neither as right nor as wrong, -1 for those that were
            left out.
        labels_by_overlap: ``(D,)`` int64, where the larger overlap decides between Sim and Oth.
        objects: ``(D,)`` int64 which of all objects it found or mistook; -1 for none.
        weak: ``(D,)`` bool, right by the weak threshold.
        average_precision: the mean over the classes that have objects to find.
        gains: what it gains by each fix.
        normalised: the mean normalised average precision, see `class_precision`.
        normalised_gains: what this gains.
        per_class: ``(C,)`` float64 average precision by the name of the fix, ``""`` for none.
        normalised_per_class: likewise.
        fixes: the precision under each fix, for other images drawn from these.
        ranks: the types over the ranks.
    """

    labels: Tensor
    labels_by_overlap: Tensor
    objects: Tensor
    weak: Tensor
    average_precision: float
    gains: dict[str, float]
    normalised: float
    normalised_gains: dict[str, float]
    per_class: dict[str, np.ndarray]
    normalised_per_class: dict[str, np.ndarray]
    fixes: FixedPrecisions
    ranks: Ranks


@checked_call()
def hoiem(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    *,
    classes: Sequence[str],
    similar: Sequence[Sequence[str]] | None = None,
    kind: Kind = "box",
    strong: float = 0.5,
    weak: float = 0.1,
    expected: float | None = None,
    most: int | None = 100,
) -> HoiemResult:
    """Four types of false positives, over the ranks, and what they cost.

    A detection is Cor if it has the largest overlap with an object of its class that no better one
    has found, of at least `strong`. The others, the first that fits:

        Loc  an object of its class overlaps by `weak` or more, found or not: also duplicates
        Sim  an object of a similar class does
        Oth  an object of any other class does
        BG   the rest

    Difficult objects are found like others, and who finds one does not count; a second or a weak
    hit is Loc. So does not who lies by more than `strong` in a crowd of its class without being
    Cor.

    ``"no Loc"`` and so on: average precision without these errors; ``"only Loc"`` without the
    others; ``"mended Loc"``: by the weak threshold, duplicates taken away.

    Args:
        detections: of each image.
        objects: of the same images.
        classes: C names.
        similar: see `similar_classes`.
        kind: overlap of boxes or of masks.
        strong: threshold of what is right.
        weak: threshold of what is mistaken for an object.
        expected: objects of each class for the normalised precision; ``None``: the mean over the
            classes that have some.
        most: see `find_overlaps`.

    Raises:
        TypeError, ValueError: see `find_overlaps` and `similar_classes`; if the thresholds are not
            0 < weak < strong <= 1, or `expected` not positive.

    Source:
        Hoiem, Chodpathumwan, Dai, "Diagnosing Error in Object Detectors" (2012), and the authors'
        program: Sim before Oth whatever the overlaps for the labels, the larger overlap for the
        shares of the top detections; a detection takes the largest object that is free, where
        VOC's devkit looks at the largest of all; Oth and BG go together. Differs from it: overlaps
        are plain areas (their files count pixels); crowds; `expected` was .15 of the images there,
        about the mean of VOC's classes.

    Example:
        >>> import torch
        >>> no = torch.zeros(1, dtype=torch.bool)
        >>> box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
        >>> dog = Objects(box, torch.tensor([1]), None, no, no)
        >>> as_cat = Detections(box, torch.tensor([0]), torch.tensor([0.9]), None)
        >>> result = hoiem([as_cat], [dog], classes=["cat", "dog", "chair"])
        >>> HOIEM_TYPES[result.labels[0]]
        'Sim'
    """
    _check_thresholds(strong, weak)
    checks.filled("classes", classes)
    overlaps = find_overlaps(
        detections, objects, num_classes=len(classes), kind=kind, most=most, least=weak
    )
    return hoiem_of(
        overlaps, classes=classes, similar=similar, strong=strong, weak=weak, expected=expected
    )


def _check_thresholds(strong: float, weak: float) -> None:
    checks.finite("strong", strong, above=0, at_most=1)
    checks.finite("weak", weak, above=0, below=strong)


@checked_call()
def hoiem_of(
    overlaps: Overlaps,
    *,
    classes: Sequence[str],
    similar: Sequence[Sequence[str]] | None = None,
    strong: float = 0.5,
    weak: float = 0.1,
    expected: float | None = None,
) -> HoiemResult:
    """`hoiem` of overlaps that are there already, as for `tide_of`.

    Args:
        overlaps: of `find_overlaps`.
        classes: see `hoiem`.
        similar: see there.
        strong: see there.
        weak: see there.
        expected: see there.
    """
    _check_thresholds(strong, weak)
    checks.finite("weak", weak, at_least=overlaps.least)
    o = overlaps
    if len(classes) != o.num_classes:
        checks.refuse("classes", f"the names of {o.num_classes} classes", list(classes))
    numbers = np.bincount(o.object_labels[o.counts], minlength=o.num_classes)
    expected = float(numbers[numbers > 0].mean()) if expected is None else expected
    checks.positive("expected", expected)
    alike = similar_classes(classes, similar)
    single, same = ~o.crowd[o.object], o.same
    of_similar = alike[o.labels[o.detection], o.object_labels[o.object]] & single & ~same

    matches = [o.match(single & same & (o.iou >= least)) for least in (strong, weak)]
    near = [o.best(pairs & (o.iou >= weak)) for pairs in (single & same, of_similar)]
    near.append(o.best(single & ~same & ~of_similar & (o.iou >= weak)))
    right, out = _right(o, matches[0])
    out |= o.ignored(strong, matches[0], o.crowd)
    mistaken = [best.object != NO_OBJECT for best in near]
    labels = np.select([out, right, *mistaken], [IGNORED, 0, 1, 2, 3], 4)
    is_other = (labels == 2) & (near[2].iou > near[1].iou)
    hit = np.select(
        [labels == kind for kind in (IGNORED, 0, 1, 2, 3)],
        [matches[0], matches[0], *(best.object for best in near)],
        NO_OBJECT,
    )

    fixes = {"": Fix(right, out)}
    of_kind = {name: labels == place for place, name in enumerate(HOIEM_TYPES)}
    wrong = ~right & ~out
    of_kind["Oth and BG"] = of_kind["Oth"] | of_kind["BG"]
    for name in _IMPACTS[:5]:
        word, _, kind = name.partition(" ")
        fixes[name] = Fix(right, out | (of_kind[kind] if word == "no" else wrong & ~of_kind[kind]))
    weakly, passed_over = _right(o, matches[1])
    again = (matches[1] == NO_OBJECT) & mistaken[0]
    by_crowd = out & (matches[0] == NO_OBJECT)
    fixes["mended Loc"] = Fix(weakly, ~weakly & (passed_over | again | by_crowd))
    precisions = FixedPrecisions(o, fixes, levels=None, bare_classes=False)
    plain, normalised = precisions.of_classes(), precisions.of_classes(expected)
    means, normalised_means = (
        {name: mean_over_classes(values) for name, values in table.items()}
        for table in (plain, normalised)
    )
    by_overlap = np.where(is_other, 3, labels)
    return HoiemResult(
        o.in_input_order(labels, LEFT_OUT),
        o.in_input_order(by_overlap, LEFT_OUT),
        o.in_input_order(hit, NO_OBJECT),
        o.in_input_order(weakly, False),
        means[""],
        {name: means[name] - means[""] for name in _IMPACTS},
        normalised_means[""],
        {name: normalised_means[name] - normalised_means[""] for name in _IMPACTS},
        plain,
        normalised,
        precisions,
        Ranks(o, by_overlap, weakly),
    )


def _right(overlaps: Overlaps, matched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who found an object that counts, and who a difficult one; ``(D,)`` bool each."""
    some = matched != NO_OBJECT
    difficult = some & overlaps.difficult[matched]
    return some & ~difficult, difficult
