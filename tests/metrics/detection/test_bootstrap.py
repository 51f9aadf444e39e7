"""Resampled average precision against scoring a test set in which images stand several times."""

import pytest
import torch

from instdisc.metrics import (
    average_precisions,
    bootstrap_average_precision,
    coco_average_precision,
    voc_average_precision,
)
from instdisc.types import Detections, Objects

C = 3
SCORE = {
    "coco": lambda f, t: coco_average_precision(f, t, num_classes=C),
    "voc07": lambda f, t: voc_average_precision(f, t, num_classes=C),
    "devkit": lambda f, t: voc_average_precision(f, t, num_classes=C, levels="devkit"),
    "voc10": lambda f, t: voc_average_precision(f, t, num_classes=C, rule="every_point"),
}


def images(count=9):
    found, true = [], []
    for number in range(count):
        size = number % 4  # some without an object
        corners = 40 * torch.rand(size, 2)
        boxes = torch.cat([corners, corners + 8 + 20 * torch.rand(size, 2)], 1)
        labels = torch.randint(C - (number < 7), (size,))  # the last class is rare
        marks = torch.rand(2, size) < 0.15
        true.append(Objects(boxes, labels, None, *marks))
        moved = boxes.repeat(3, 1) + 4 * torch.randn(3 * size, 4)
        moved = torch.cat([moved, torch.tensor([[0.0, 0.0, 30.0, 30.0]])])
        guessed = torch.cat([labels.repeat(3), torch.tensor([0])])
        found.append(Detections(moved, guessed, torch.rand(len(moved)), None))
    return found, true


def numbers(result):
    """AP, AP50 and AP75 of either kind of result."""
    if hasattr(result, "numbers"):
        return [result.numbers[name] for name in ("AP", "AP50", "AP75")]
    return [result.mean(), result.mean(0.5), result.mean(0.75)]


def summary(table):
    """The same of a table ``(T, C)``."""
    return [float(rows.nanmean()) for rows in (table, table[0], table[5])]


@pytest.mark.parametrize("name", list(SCORE))
def test_repeated_images_are_scored_without_matching(name):
    found, true = images()
    score = SCORE[name]
    whole = score(found, true)
    assert summary(average_precisions(whole.matches)[0]) == pytest.approx(numbers(whole), abs=1e-12)
    assert 0.05 < numbers(whole)[0] < 0.95
    draws = torch.randint(9, (12, 9))
    times = torch.zeros(12, 9).scatter_add_(1, draws, torch.ones(12, 9))
    tables = average_precisions(whole.matches, times)
    for draw, table in zip(draws.sort(1).values.tolist(), tables, strict=True):
        again = score([found[i] for i in draw], [true[i] for i in draw])
        assert summary(table) == pytest.approx(numbers(again), abs=1e-9, nan_ok=True)
    alone = average_precisions(whole.matches, times[3:4])
    assert torch.allclose(alone[0], tables[3], equal_nan=True)


def test_the_interval_is_that_of_the_resamples(monkeypatch):
    found, true = images()
    matches = SCORE["coco"](found, true).matches
    generator = torch.Generator().manual_seed(5)
    rows = torch.randint(9, (40, 9), generator=generator)
    times = torch.zeros(40, 9).scatter_add_(1, rows, torch.ones(40, 9))
    values = average_precisions(matches, times)[:, 0].nanmean(1)
    ends = values.quantile(torch.tensor([0.05, 0.95]).double()).tolist()
    interval = bootstrap_average_precision(matches, level=0.9, num_resamples=40, seed=5)
    assert list(interval["AP50"]) == pytest.approx(ends)
    assert list(interval) == ["AP", "AP50", "AP75"]
    monkeypatch.setattr("instdisc.metrics.detection.matches._VALUES", 100)
    assert bootstrap_average_precision(matches, level=0.9, num_resamples=40, seed=5) == interval


def test_equal_images_leave_no_doubt():
    found, true = images(4)
    result = SCORE["voc10"](found[3:] * 6, true[3:] * 6)
    low, high = bootstrap_average_precision(result.matches, num_resamples=20)["AP"]
    assert low == pytest.approx(high)
    # Copies follow each other, which changes nothing where scores differ within an image.
    assert low == pytest.approx(result.mean())


def test_nothing_to_find_or_nothing_found():
    found, true = images(2)
    for score in SCORE.values():
        nothing = score(found[:1], true[:1])
        assert bootstrap_average_precision(nothing.matches, num_resamples=5)["AP"] == pytest.approx(
            (float("nan"), float("nan")), nan_ok=True
        )
    none = Detections(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0), None)
    for score in SCORE.values():
        blind = score([none] * 9, images()[1])
        assert bootstrap_average_precision(blind.matches, num_resamples=5)["AP"] == (0, 0)


def test_thresholds_say_which_numbers_there_are():
    found, true = images(4)
    result = voc_average_precision(found, true, num_classes=C, thresholds=[0.5])
    intervals = bootstrap_average_precision(result.matches, num_resamples=5)
    assert list(intervals) == ["AP", "AP50"]
    assert intervals["AP"] == intervals["AP50"]


def test_bad_input():
    found, true = images(4)
    matches = SCORE["coco"](found, true).matches
    with pytest.raises(ValueError, match=r"`times` must be a tensor \(r, 4\), got \(1, 3\)"):
        average_precisions(matches, torch.ones(1, 3))
    with pytest.raises(ValueError, match="`times` must be of at least 0, got -1"):
        average_precisions(matches, -torch.ones(1, 4))
    with pytest.raises(ValueError, match="`times` must be finite, got nan"):
        average_precisions(matches, torch.ones(1, 4) * torch.nan)
    with pytest.raises(ValueError, match="`level` must be"):
        bootstrap_average_precision(matches, level=95)
    with pytest.raises(ValueError, match="`num_resamples` must be"):
        bootstrap_average_precision(matches, num_resamples=0)
    with pytest.raises(TypeError, match="`matches` must be a DetectionMatches"):
        bootstrap_average_precision({})
    with pytest.raises(ValueError, match="`matches` must be of at least one image"):
        bootstrap_average_precision(SCORE["coco"]([], []).matches)
