"""Heads: what they read out, what they learn from."""

import pytest
import torch
from torch.nn import functional as F

from instdisc.transfer import HeatmapHead, RegressionHead
from instdisc.transfer.landmarks.heads import gaussian_logits, peaks


@pytest.mark.parametrize("cells", [(16, 16), (12, 20)])
def test_a_gaussian_gives_its_point_back(cells):
    points = torch.rand(6, 5, 2) * 0.8 + 0.1
    found = peaks(gaussian_logits(points, cells))
    torch.testing.assert_close(found, points, rtol=0, atol=1e-4)
    # Up to a constant and a factor, which a softmax and a temperature change.
    torch.testing.assert_close(peaks(3 * gaussian_logits(points, cells) + 7), found)


def test_peaks_at_the_border_and_on_a_plain_are_finite():
    logits = torch.zeros(1, 3, 8, 8)
    logits[0, 0, 0, 0] = logits[0, 1, 7, 7] = 5
    found = peaks(logits)
    assert found[0, 0].tolist() == [0.5 / 8, 0.5 / 8]
    assert found[0, 1].tolist() == [7.5 / 8, 7.5 / 8]
    assert found.isfinite().all()


def test_heatmap_loss_equals_a_naive_loop():
    head = HeatmapHead(4, 3, stride=4)
    logits, points = torch.randn(2, 3, 8, 8), torch.rand(2, 3, 2)
    inside = torch.tensor([[True, True, False], [False, True, True]])
    total = 0.0
    for b, p in inside.nonzero().tolist():
        x, y = (points[b, p] * 8).tolist()
        cells = torch.tensor([[-((c + 0.5 - x) ** 2 + (r + 0.5 - y) ** 2) / 2 for c in range(8)]
                              for r in range(8)])  # fmt: skip
        target = cells.flatten().softmax(0)
        total += float(F.cross_entropy(logits[b, p].flatten()[None], target[None]))
    assert head.loss(logits, points, inside).item() == pytest.approx(total / 4, rel=1e-5)


@pytest.mark.parametrize("stride", [4, 8, 32])
def test_heatmap_reaches_a_quarter_of_the_view(stride):
    head = HeatmapHead(6, 5, stride=stride, channels=4)
    assert head(torch.randn(2, 6, 64 // stride, 64 // stride)).shape == (2, 5, 16, 16)


def test_regression_loss_equals_a_naive_loop():
    head = RegressionHead(4, 3)
    output, points = torch.rand(2, 3, 2), torch.rand(2, 3, 2)
    inside = torch.tensor([[True, False, False], [True, True, False]])
    gaps = [float((output[b, p] - points[b, p]).abs().mean()) for b, p in inside.nonzero()]
    assert float(head.loss(output, points, inside)) == pytest.approx(sum(gaps) / 3)


@pytest.mark.parametrize("head", [RegressionHead(4, 3), HeatmapHead(4, 3, stride=4)])
def test_points_outside_teach_nothing(head):
    features = torch.randn(2, 4) if isinstance(head, RegressionHead) else torch.randn(2, 4, 8, 8)
    output = head(features)
    output.retain_grad()
    points, inside = torch.rand(2, 3, 2), torch.ones(2, 3, dtype=torch.bool)
    points[0, 1], inside[0, 1] = torch.tensor([-4.0, 9.0]), False
    head.loss(output, points, inside).backward()
    assert (output.grad[0, 1] == 0).all()
    assert (output.grad[0, 0] != 0).any()
    nothing = head.loss(head(features), points, torch.zeros_like(inside))
    nothing.backward()
    assert nothing.item() == 0
    assert all(weight.grad.isfinite().all() for weight in head.parameters())


def test_regression_begins_at_the_mean_shape():
    for hidden in (0, 8):
        head = RegressionHead(16, 5, hidden=hidden)
        mean = torch.rand(5, 2)
        head.start_at(mean)
        assert (head.points(head(torch.randn(64, 16))).mean(0) - mean).abs().max() < 0.05
    with pytest.raises(ValueError, match="`hidden` must be a whole number of at least 0"):
        RegressionHead(4, 3, hidden=-1)


@pytest.mark.parametrize("hidden", [0, 256])
def test_a_step_of_adam_moves_a_wide_head_little(hidden):
    # Without the root, 8,192 features would each push the answer by the rate: by six views.
    torch.manual_seed(0)
    head = RegressionHead(8192, 2, hidden=hidden)
    features, points = torch.randn(16, 8192), torch.rand(16, 2, 2)
    optimizer = torch.optim.Adam(head.parameters(), 1e-3)
    before = head(features)
    head.loss(before, points, torch.ones(16, 2, dtype=torch.bool)).backward()
    optimizer.step()
    assert 1e-4 < (head(features) - before).abs().mean() < 0.2
