"""The losses of a detector against naive loops, and the masks that they compare with."""

import math

import torch
from torch.nn import functional as F

from instdisc.transfer.detection.losses import (
    box_losses,
    mask_loss,
    mask_targets,
    proposal_losses,
)
from instdisc.transfer.detection.masks import paste_masks


def test_proposal_losses_are_the_naive_sums():
    logits, offsets, targets = torch.randn(2, 5), torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    positive = torch.tensor([[True, True, False, False, False], [True] + [False] * 4])
    drawn = torch.tensor([[True] * 5, [True, True, True, False, False]])
    targets[1, 1] = -torch.inf  # that of a box that is not positive is never read
    objectness = distance = 0.0
    for b in range(2):
        for s in range(5):
            p = 1 / (1 + math.exp(-logits[b, s].item()))
            if drawn[b, s]:
                objectness -= math.log(p if positive[b, s] else 1 - p)
            if positive[b, s]:  # plain L1: |x|, and not x^2 / (2 beta) near 0
                distance += sum(abs(x) for x in (offsets[b, s] - targets[b, s]).tolist())
    found = proposal_losses(logits, offsets, targets, positive=positive, drawn=drawn)
    torch.testing.assert_close(torch.stack(found), torch.tensor([objectness, distance]) / 10)


def test_small_errors_count_linearly():
    one = torch.tensor([[True]])
    near = proposal_losses(
        torch.zeros(1, 1),
        torch.full((1, 1, 4), 1e-3),
        torch.zeros(1, 1, 4),
        positive=one,
        drawn=one,
    )[1]
    torch.testing.assert_close(near, torch.tensor(4e-3))
    smooth = F.smooth_l1_loss(torch.full((4,), 1e-3), torch.zeros(4), beta=1 / 9, reduction="sum")
    assert smooth < 0.01 * near


def test_box_losses_are_the_naive_sums():
    logits, offsets = torch.randn(6, 4), torch.randn(6, 12)
    labels, foreground = torch.tensor([3, 1, 0, 0, 2, 0]), torch.tensor([0, 1, 4])
    targets = torch.randn(3, 4)
    entropy = -sum(logits[i].log_softmax(0)[labels[i]] for i in range(6)) / 6
    distance = sum(
        (offsets[row, 4 * (labels[row] - 1) : 4 * labels[row]] - target).abs().sum()
        for row, target in zip(foreground, targets, strict=True)
    )
    found = box_losses(logits, offsets, labels, targets, foreground)
    torch.testing.assert_close(torch.stack(found), torch.stack([entropy, distance / 6]))


def test_mask_loss_sees_the_mask_of_the_class_alone():
    logits = torch.randn(3, 4, 5, 5, requires_grad=True)
    classes, targets = torch.tensor([2, 0, 2]), torch.rand(3, 5, 5) > 0.5
    loss = mask_loss(logits, classes, targets)
    chosen = torch.stack([logits[0, 2], logits[1, 0], logits[2, 2]])
    signs = 2.0 * targets - 1
    torch.testing.assert_close(loss, (1 + (-signs * chosen).exp()).log().mean())
    loss.backward()
    assert (logits.grad.abs().sum(dim=(2, 3)) > 0).sum() == 3


def test_losses_without_foreground_are_0():
    logits = torch.randn(0, 4, 5, 5, requires_grad=True)
    mask_loss(logits, torch.zeros(0, dtype=torch.long), torch.zeros(0, 5, 5)).backward()
    assert logits.grad is not None
    nothing = torch.zeros(0, dtype=torch.long)
    found = box_losses(
        torch.zeros(2, 3), torch.ones(2, 8), nothing.new_zeros(2), torch.zeros(0, 4), nothing
    )
    assert found[1] == 0


def test_mask_targets_are_cut_from_the_image_they_belong_to():
    masks = [torch.zeros(2, 40, 60, dtype=torch.bool), torch.zeros(1, 40, 60, dtype=torch.bool)]
    masks[0][1, 10:20, 20:40] = True
    masks[1][0, :, 30:] = True
    rois = torch.tensor([[0.0, 20, 10, 40, 20], [0.0, 10, 10, 50, 20], [1.0, 0, 0, 60, 40]])
    first, second, third = mask_targets(masks, rois, torch.tensor([1, 1, 0]), 8)
    assert first.all()
    assert second.float().mean(0).tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    assert third.float().mean(0).tolist() == [0] * 4 + [1] * 4


def test_pasted_masks_are_those_of_grid_sample():
    masks, height, width = torch.rand(20, 14, 14), 50, 70
    low = torch.rand(20, 2) * 40 - 5
    boxes = torch.cat([low, low + torch.rand(20, 2) * 40 + 2], dim=1)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    left, top, right, bottom = boxes[:, :, None, None].unbind(1)
    grid = torch.stack([(x - left) / (right - left), (y - top) / (bottom - top)], dim=-1) * 2 - 1
    values = F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]
    expected = values >= 0.5
    pasted = paste_masks(masks, boxes, (height, width))
    assert ((pasted != expected) & ((values - 0.5).abs() > 1e-5)).sum() == 0
    assert paste_masks(masks[:0], boxes[:0], (5, 6)).shape == (0, 5, 6)


def test_mask_survives_cutting_and_pasting():
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 16:48, 8:56] = True
    box = torch.tensor([[8.0, 16.0, 56.0, 48.0]])
    rois = torch.cat([torch.zeros(1, 1), box], dim=1)
    cells = mask_targets([mask], rois, torch.tensor([0]), 14)
    pasted = paste_masks(cells.float(), box, (64, 64))
    # Interpolation towards the zeros around the box takes the pixels in its corners.
    assert (pasted & ~mask).sum() == 0
    assert (mask & ~pasted).sum() <= 4 * 3
