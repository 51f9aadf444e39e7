"""Which errors of a detector cost how much average precision (TIDE).

Legend: D detections and M objects of all images, C classes, P pairs that overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import Detections, Objects

from .fixes import Fix, FixedPrecisions, mean_over_classes
from .overlaps import NO_OBJECT, Kind, Overlaps, find_overlaps

TIDE_TYPES = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
RIGHT = "TP"
_LABELS = (RIGHT, *TIDE_TYPES[:5])
LEFT_OUT = -1


@checked_call()
class TideResult(NamedTuple):
    """Precisions and gains are shares in [0, 1].

    Attributes:
        average_precision: at the threshold, the mean over the classes that have objects or
            detections.
        gains: what mending each of `TIDE_TYPES` alone would add, at least 0.
        false_positives: what it would add if every false positive came last.
        false_negatives: what it would add if no object were asked for that is not found.
        counts: how many errors there are of each of `TIDE_TYPES`.
        labels: ``(D,)`` int64 of the detections one image after the other, as given: 0 right,
            else the place in `TIDE_TYPES` plus 1; -1 for those that were left out.
        ignored: ``(D,)`` bool, over a crowd or difficult object: neither right nor wrong in the
            average precision, though it has a label.
        objects: ``(D,)`` int64 which of all objects it found, mistook or hit twice; -1 for none.
        mended: ``(D,)`` bool, of Cls and Loc: mending makes it right; the others are taken away.
        matched: ``(M,)`` bool, of objects.
        missed: ``(M,)`` bool, of objects that no mended error would find either.
        per_class: ``(C,)`` float64 average precision; NaN where a class has neither objects nor
            detections.
        fixes: the precision under each fix, for other images drawn from these.
    """

    average_precision: float
    gains: dict[str, float]
    false_positives: float
    false_negatives: float
    counts: dict[str, int]
    labels: Tensor
    ignored: Tensor
    objects: Tensor
    mended: Tensor
    matched: Tensor
    missed: Tensor
    per_class: Tensor
    fixes: FixedPrecisions


@checked_call()
def tide(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    *,
    num_classes: int,
    kind: Kind = "box",
    threshold: float = 0.5,
    background: float = 0.1,
    most: int | None = 100,
) -> TideResult:
    """Six types of errors, and the average precision that mending each alone would give.

    A detection is right if it has the largest overlap with an object of its class that no better
    one has found, of at least t. The others, the first that fits:

        Loc   the largest overlap with an object of its class lies in b to t
        Cls   an object of another class overlaps by t or more
        Dupe  an object of its class that is found already overlaps by t or more
        Bkg   no object overlaps by more than b
        Both  the rest

    Miss are the objects that are not found and that no Loc or Cls stands for. To mend Loc or Cls
    makes the best such detection of an object that is not found right, and takes away the rest; to
    mend Dupe, Bkg and Both takes them away; to mend Miss takes away the objects. What this adds to
    AP need not sum to what AP lacks.

    Args:
        detections: of each image.
        objects: of the same images. Crowds of a detection's class (of any, for label -1) that it
            lies in by more than t, and difficult objects that it overlaps by more than t, take it
            out of AP unless it is right.
        num_classes: C.
        kind: overlap of boxes or of masks.
        threshold: t.
        background: b, above 0.
        most: see `find_overlaps`.

    Raises:
        TypeError, ValueError: see `find_overlaps`; if the thresholds are not 0 < b < t <= 1.

    Source:
        Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors" (2020), and
        the authors' program, whose AP this is: over 101 levels of recall at one threshold, the mean
        over classes with objects or detections. COCO's leaves out classes without objects.
        Differs from it: equal scores keep one order under every fix, and a fix that leaves
        nothing to find gives 0.

    Example:
        >>> no = torch.zeros(1, dtype=torch.bool)
        >>> box, label = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([0])
        >>> truth = Objects(box, label, None, no, no)
        >>> half_off = Detections(box + torch.tensor([5.0, 0, 5, 0]), label, torch.ones(1), None)
        >>> result = tide([half_off], [truth], num_classes=1)
        >>> result.average_precision, result.gains["Loc"], result.counts["Loc"]
        (0.0, 1.0, 1)
    """
    _check_thresholds(threshold, background)
    overlaps = find_overlaps(
        detections, objects, num_classes=num_classes, kind=kind, most=most, least=background
    )
    return tide_of(overlaps, threshold=threshold, background=background)


def _check_thresholds(threshold: float, background: float) -> None:
    checks.finite("threshold", threshold, above=0, at_most=1)
    checks.finite("background", background, above=0, below=threshold)


@checked_call()
def tide_of(overlaps: Overlaps, *, threshold: float = 0.5, background: float = 0.1) -> TideResult:
    """`tide` of overlaps that are there already, as for `hoiem_of`.

    Args:
        overlaps: of `find_overlaps`.
        threshold: see `tide`.
        background: see `tide`.
    """
    _check_thresholds(threshold, background)
    checks.finite("background", background, at_least=overlaps.least)
    o = overlaps
    counts, same = o.counts[o.object], o.same
    match = o.match(counts & same & (o.iou >= threshold))
    right, ignored = match != NO_OBJECT, o.ignored(threshold, match, ~o.counts)
    matched = np.zeros(len(o.object_labels), dtype=bool)
    matched[match[right]] = True

    of_class, of_others = o.best(counts & same), o.best(counts & ~same)
    again = o.best(counts & same & matched[o.object])
    nearest = np.maximum(of_class.iou, of_others.iou)
    tests = (
        right,
        (background <= of_class.iou) & (of_class.iou <= threshold),
        of_others.iou >= threshold,
        again.iou >= threshold,
        nearest <= background,
    )
    labels = np.select(tests, [_LABELS.index(n) for n in (RIGHT, "Loc", "Cls", "Dupe", "Bkg")], 3)
    of_kind = {name: labels == place for place, name in enumerate(_LABELS)}
    hit = np.select(
        [of_kind[name] for name in (RIGHT, "Loc", "Cls", "Dupe")],
        [match, of_class.object, of_others.object, again.object],
        NO_OBJECT,
    )
    candidates = np.flatnonzero((of_kind["Loc"] | of_kind["Cls"]) & ~matched[hit])
    stood_for, first = np.unique(hit[candidates], return_index=True)  # the best of each object
    mended = np.zeros(len(labels), dtype=bool)
    mended[candidates[first]] = True
    missed = o.counts & ~matched
    missed[stood_for] = False

    fixes = {"": Fix(right, ignored)}
    for name in TIDE_TYPES[:5]:
        better = of_kind[name] & mended
        fixes[name] = Fix(right | better, ~better & (ignored | of_kind[name]))
    relabelled = np.where(of_kind["Cls"] & mended, o.object_labels[hit], o.labels)
    fixes["Cls"] = fixes["Cls"]._replace(labels=relabelled)
    fixes["Miss"] = Fix(right, ignored, objects=o.counts & ~missed)
    fixes["FalsePos"] = Fix(right, ~right, present=~ignored)
    fixes["FalseNeg"] = Fix(right, ignored, objects=matched)
    precisions = FixedPrecisions(o, fixes, levels=np.arange(101) / 100, bare_classes=True)
    per_class = precisions.of_classes()
    means = {name: mean_over_classes(values) for name, values in per_class.items()}
    return TideResult(
        means[""],
        {name: max(0.0, means[name] - means[""]) for name in TIDE_TYPES},
        means["FalsePos"] - means[""],
        means["FalseNeg"] - means[""],
        {name: int(missed.sum() if name == "Miss" else of_kind[name].sum()) for name in TIDE_TYPES},
        o.in_input_order(labels, LEFT_OUT),
        o.in_input_order(ignored, False),
        o.in_input_order(hit, NO_OBJECT),
        o.in_input_order(mended, False),
        torch.from_numpy(matched),
        torch.from_numpy(missed),
        torch.from_numpy(per_class[""]),
        precisions,
    )
