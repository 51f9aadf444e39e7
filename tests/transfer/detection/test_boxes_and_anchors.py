"""Anchors, offsets of boxes, clipping and RoIAlign against their formulas and torchvision."""

import math

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image, roi_align

from instdisc.transfer.detection.align import align
from instdisc.transfer.detection.anchors import Anchors, base_anchors
from instdisc.transfer.detection.boxes import (
    ROI_WEIGHTS,
    RPN_WEIGHTS,
    clip,
    decode,
    encode,
    has_area,
)

SIZES, RATIOS = (32, 64, 128, 256, 512), (0.5, 1.0, 2.0)


def random_boxes(count, limit=100.0):
    low = torch.rand(count, 2) * limit
    return torch.cat([low, low + torch.rand(count, 2) * limit + 1], dim=1)


def test_15_anchors_by_the_formula():
    anchors = base_anchors(SIZES)
    assert anchors.shape == (15, 4)
    expected = [
        (-s / math.sqrt(r) / 2, -s * math.sqrt(r) / 2, s / math.sqrt(r) / 2, s * math.sqrt(r) / 2)
        for s in SIZES
        for r in RATIOS
    ]
    torch.testing.assert_close(anchors, torch.tensor(expected))


def test_anchors_are_torchvisions_before_rounding():
    theirs = AnchorGenerator((SIZES,), (RATIOS,)).cell_anchors[0]
    ours = base_anchors(SIZES).view(5, 3, 4).transpose(0, 1).reshape(15, 4)  # ratio-major
    torch.testing.assert_close(ours.round(), theirs)
    assert (ours - theirs).abs().max() > 0.3


def test_grid_of_anchors_is_the_naive_loop():
    anchors = Anchors([(32, 64), (128, 256)], [8, 16])
    fine, coarse = anchors([(2, 3), (1, 2)])
    base = base_anchors((32, 64))
    naive = [
        base[a] + torch.tensor([j, i, j, i]) * 8.0
        for i in range(2)
        for j in range(3)
        for a in range(6)
    ]
    torch.testing.assert_close(fine, torch.stack(naive))
    assert coarse.shape == (12, 4)
    assert anchors.per_cell == 6
    assert anchors.state_dict() == {}


@pytest.mark.parametrize("weights", [RPN_WEIGHTS, ROI_WEIGHTS])
def test_offsets_are_those_of_torchvisions_coder(weights):
    boxes, origins, coder = random_boxes(50), random_boxes(50), BoxCoder(weights)
    offsets = encode(boxes, origins, weights)
    torch.testing.assert_close(offsets, coder.encode_single(boxes, origins))
    torch.testing.assert_close(decode(offsets, origins, weights), boxes, rtol=1e-4, atol=1e-3)
    wild = torch.randn(50, 4) * 20  # some grow more than the limit
    torch.testing.assert_close(decode(wild, origins, weights), coder.decode_single(wild, origins))


def test_clip_is_torchvisions():
    boxes = random_boxes(40) - 30
    expected = clip_boxes_to_image(boxes, (60, 80))
    torch.testing.assert_close(clip(boxes, torch.tensor([60, 80])), expected)
    batched = clip(boxes.expand(2, 40, 4), torch.tensor([[60, 80], [10, 20]])[:, None])
    torch.testing.assert_close(batched[0], expected)
    assert batched[1][:, 0::2].max() <= 20


def test_area_of_no_number_is_none():
    assert not has_area(torch.tensor([0.0, 0.0, float("nan"), 4.0]))


def test_align_reads_the_ramp_half_a_cell_to_the_left():
    # f(cell j) = j; the centre of cell j is at pixel 16 (j + 0.5), so f(x) = x / 16 - 0.5
    ramp = torch.arange(20.0).expand(1, 1, 20, 20)
    left, right = 37.0, 201.0
    (row,) = align([ramp], torch.tensor([[0.0, left, 40.0, right, 120.0]]), [16], 14)[0, 0, :1]
    centres = left + (torch.arange(14) + 0.5) * (right - left) / 14
    torch.testing.assert_close(row, centres / 16 - 0.5)
    legacy = roi_align(ramp, torch.tensor([[0.0, left, 40.0, right, 120.0]]), 14, 1 / 16)[0, 0, 0]
    torch.testing.assert_close(legacy, centres / 16)


def test_align_of_several_maps_takes_torchvisions_levels():
    maps = [torch.randn(2, 3, 64 // 2**i, 64 // 2**i) for i in range(4)]
    rois = torch.cat([torch.randint(2, (60, 1)).float(), random_boxes(60, 120) * 1.0], dim=1)
    rois[:20, 3:] = rois[:20, 1:3] + torch.rand(20, 2) * 900  # some large ones
    ours = align(maps, rois, [4, 8, 16, 32], 7)
    pool = MultiScaleRoIAlign(list("0123"), 7, 0)
    pool({str(i): m for i, m in enumerate(maps)}, [rois[:, 1:], rois[:0, 1:]], [(256, 256)] * 2)
    levels = pool.map_levels([rois[:, 1:]])
    for roi, level, found in zip(rois, levels.tolist(), ours, strict=True):
        expected = roi_align(maps[level], roi[None], 7, 1 / (4 * 2**level), 0, aligned=True)
        torch.testing.assert_close(found, expected[0])
    assert len(set(levels.tolist())) == 4
