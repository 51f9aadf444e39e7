"""Precision under fixes, of the set and of images drawn from it."""

import numpy as np
import pytest
import torch

from instdisc.analysis.errors import hoiem, tide
from instdisc.analysis.errors.fixes import mean_over_classes
from instdisc.analysis.errors.precision import class_precision
from instdisc.metrics import average_precisions, voc_average_precision

from .conftest import random_set


def test_class_precision_by_hand():
    right = np.array([True, False, True, False, False, True])
    # Recalls 1/4, 2/4, 3/4 with precisions 1, 2/3, 1/2.
    assert class_precision(right, 4) == pytest.approx((1 + 2 / 3 + 1 / 2) / 4)
    tenths = np.arange(11) / 10
    expected = (3 * 1 + 3 * 2 / 3 + 2 * 1 / 2) / 11
    assert class_precision(right, 4, levels=tenths) == pytest.approx(expected)
    assert class_precision(right, 4, expected=4.0) == class_precision(right, 4)
    # Twice the objects: 2 / 2, 4 / 5, 6 / 9.
    normalised = class_precision(right, 4, expected=8.0)
    assert normalised == pytest.approx((1 + 4 / 5 + 2 / 3) / 4)
    assert class_precision(np.zeros(3, dtype=bool), 4) == 0


def test_plain_precision_is_that_of_voc():
    detections, objects = random_set(4, difficult=0, crowd=0)
    ours = hoiem(detections, objects, classes=["a", "b", "c", "d"]).per_class[""]
    labels, scores = (torch.cat([getattr(d, f) for d in detections]) for f in ("labels", "scores"))
    assert len(labels) == len(scores.unique())
    theirs = voc_average_precision(
        detections, objects, num_classes=4, rule="every_point", thresholds=[0.5 - 1e-9]
    )
    # VOC looks at the largest object alone, Hoiem et al. at the largest that is free.
    assert (ours >= theirs.per_class[0].numpy() - 1e-12).all()
    assert ours == pytest.approx(theirs.per_class[0].numpy(), abs=0.15)


@pytest.mark.parametrize("view", ["tide", "hoiem"])
def test_images_drawn_twice_are_like_a_set_that_holds_them_twice(view):
    detections, objects = random_set(2)
    rows = np.array([0, 0, 3, 5, 5, 5, 7, 8, 9, 10, 11, 2])
    drawn = [detections[k] for k in rows], [objects[k] for k in rows]

    def fixes(*parts):
        if view == "tide":
            return tide(*parts, num_classes=4).fixes
        return hoiem(*parts, classes=["a", "b", "c", "d"]).fixes

    whole, again = fixes(detections, objects), fixes(*drawn)
    times = torch.from_numpy(np.bincount(rows, minlength=12)).double()[None]
    groups, present = whole._prepared()
    ours = whole._means(times, groups, present)[0]
    expected = [mean_over_classes(values) for values in again.of_classes().values()]
    assert ours.tolist() == pytest.approx(expected, abs=1e-12)
    once = whole._means(torch.ones(1, 12, dtype=torch.float64), groups, present)[0]
    expected = [mean_over_classes(values) for values in whole.of_classes().values()]
    assert once.tolist() == pytest.approx(expected, abs=1e-12)


def test_intervals_hold_the_value_and_repeat():
    fixes = tide(*random_set(6, images=40), num_classes=4).fixes
    names = ["", "Loc", "FalseNeg"]
    first = fixes.intervals(names, level=0.95, num_resamples=60, seed=3)
    assert first == fixes.intervals(names, level=0.95, num_resamples=60, seed=3)
    assert first != fixes.intervals(names, level=0.95, num_resamples=60, seed=4)
    values = {name: mean_over_classes(column) for name, column in fixes.of_classes().items()}
    for name in names:
        value = values[name] - (values[""] if name else 0)
        assert first[name].low < value < first[name].high
    wide = fixes.intervals(names, level=0.5, num_resamples=60, seed=3)
    assert all(first[k].low <= wide[k].low <= wide[k].high <= first[k].high for k in names)


def test_classes_are_those_of_the_metric():
    fixes = hoiem(*random_set(8), classes=["a", "b", "c", "d"]).fixes
    (group,), _ = fixes._prepared()
    rows, matches = group
    table = average_precisions(matches)[0].numpy()
    for row, values in zip(rows, fixes.of_classes().values(), strict=True):
        assert values == pytest.approx(table[row], abs=1e-12, nan_ok=True)
