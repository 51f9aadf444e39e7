"""Matching and sampling against torchvision's, and their invariants."""

import pytest
import torch
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, Matcher
from torchvision.ops import box_iou

from instdisc.transfer.detection.matching import as_truth, match, sample
from instdisc.types import Objects


def make_objects(boxes, labels=None, crowd=None):
    count = len(boxes)
    no = torch.zeros(count, dtype=torch.bool)
    labels = torch.zeros(count, dtype=torch.long) if labels is None else labels
    return Objects(boxes, labels, None, no, no if crowd is None else crowd)


def random_boxes(count):
    low = torch.rand(count, 2) * 60
    return torch.cat([low, low + torch.rand(count, 2) * 40 + 1], dim=1)


@pytest.mark.parametrize("keep_best", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.3, 0.7), (0.5, 0.5)])
def test_match_is_torchvisions(low, high, keep_best):
    boxes, truth = random_boxes(300), random_boxes(6)
    theirs = Matcher(high, low, allow_low_quality_matches=keep_best)(box_iou(truth, boxes))
    ours = match(as_truth(make_objects(truth)), boxes, low, high, keep_best=keep_best)
    assert torch.equal(ours, theirs)


def test_without_objects_all_is_background():
    truth = as_truth(make_objects(torch.zeros(0, 4)))
    assert torch.equal(
        match(truth, random_boxes(9), 0.3, 0.7, keep_best=True), torch.full((9,), -1)
    )


def test_crowds_and_boxes_without_area_are_no_objects():
    boxes = torch.tensor([[0.0, 0, 20, 20], [5.0, 5, 5, 9], [30.0, 30, 50, 50]])
    truth = as_truth(make_objects(boxes, crowd=torch.tensor([True, False, False])))
    assert truth.usable.tolist() == [False, False, True, False]
    found = match(truth, boxes, 0.3, 0.7, keep_best=True)
    assert found.tolist() == [-1, -1, 2]


def test_object_that_overlaps_nothing_has_no_best_box():
    truth = as_truth(make_objects(torch.tensor([[90.0, 90, 99, 99]])))
    boxes = torch.tensor([[0.0, 0, 9, 9], [9.0, 9, 20, 20]])
    assert match(truth, boxes, 0.3, 0.7, keep_best=True).tolist() == [-1, -1]


@pytest.mark.parametrize("positives", [0, 3, 40])
@pytest.mark.parametrize("count", [20, 500])
def test_sample_counts_are_torchvisions(positives, count):
    labels = torch.cat([torch.full((positives,), 4), torch.zeros(60), torch.full((30,), -1.0)])
    labels = labels.long()[torch.randperm(len(labels))]
    theirs_positive, theirs_negative = BalancedPositiveNegativeSampler(count, 0.5)([labels])
    rows, num_positive, num_drawn = sample(labels[None], count, count // 2)
    assert num_positive.item() == theirs_positive[0].sum()
    assert num_drawn.item() == theirs_positive[0].sum() + theirs_negative[0].sum()
    drawn = rows[0, : num_drawn.item()]
    assert len(drawn.unique()) == len(drawn)
    assert (labels[drawn[: num_positive.item()]] == 4).all()
    assert (labels[drawn[num_positive.item() :]] == 0).all()


def test_sample_draws_each_box_alike():
    labels = torch.tensor([1] * 4 + [0] * 8 + [-1] * 4).expand(20_000, 16)
    rows, positive, drawn = sample(labels, 6, 2)
    assert (positive == 2).all()
    assert (drawn == 6).all()
    share = torch.bincount(rows.flatten(), minlength=16) / 20_000
    expected = torch.tensor([0.5] * 12 + [0.0] * 4)
    torch.testing.assert_close(share, expected, atol=0.02, rtol=0)  # 5 standard deviations
