"""From features to points.

Legend: B batch, D width, P points, h x w cells of a map. Points are in sides of the view: 0 is its
left or upper edge, 1 the right or lower one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from instdisc.checks import checked_call, whole


class RegressionHead(nn.Module):
    """Coordinates by a linear layer, or two.

    Before it features are standardised by batch norm without weights of its own and divided by the
    root of their number, so that one learning rate suits any backbone and any width: a step of Adam
    moves every weight alike, and the answer by as many of them as there are features. The loss is
    the mean distance along an axis, over the points inside.

    Args:
        dim: D.
        num_points: P.
        hidden: width of the layer between, with ReLU; 0 for one linear layer.

    Raises:
        ValueError: if `hidden` is negative.

    Example:
        >>> head = RegressionHead(16, 5)
        >>> head.points(head(torch.randn(4, 16))).shape
        torch.Size([4, 5, 2])
    """

    @checked_call(dim=whole)
    def __init__(self, dim: int, num_points: int, *, hidden: int = 0) -> None:
        super().__init__()
        if hidden < 0:
            raise ValueError(f"`hidden` must not be negative, got {hidden}")
        last = nn.Linear(hidden or dim, 2 * num_points)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(last.bias, 0.5)
        layers: list[nn.Module] = [nn.BatchNorm1d(dim, affine=False), _DivideByRoot(dim)]
        if hidden:
            first = nn.Linear(dim, hidden)
            nn.init.normal_(first.weight, std=math.sqrt(2))  # its input is about one long
            nn.init.zeros_(first.bias)
            layers += [first, nn.ReLU(), _DivideByRoot(hidden)]
        self.layers = nn.Sequential(*layers, last)

    @torch.no_grad()
    def start_at(self, points: Tensor) -> None:
        """Makes ``(P, 2)`` points, the mean shape, the first answer."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        last.bias.copy_(points.flatten())

    def forward(self, features: Tensor) -> Tensor:
        """``(B, D)`` features to ``(B, P, 2)`` points."""
        coordinates: Tensor = self.layers(features).unflatten(1, (-1, 2))
        return coordinates

    def points(self, output: Tensor) -> Tensor:
        """The points ``(B, P, 2)``, which may lie outside the view."""
        return output.float()

    def loss(self, output: Tensor, points: Tensor, inside: Tensor) -> Tensor:
        """Mean distance along an axis, in sides of the view.

        Args:
            output: of `forward`.
            points: ``(B, P, 2)`` the true ones.
            inside: ``(B, P)`` bool, those that are learnt from.
        """
        gaps = (output.float() - points).abs().mean(-1)
        return _mean_inside(gaps, inside)


class _DivideByRoot(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor = width**-0.5

    def forward(self, features: Tensor) -> Tensor:
        return features * self.factor


class HeatmapHead(nn.Module):
    """A map for each point, whose peak is where the point is.

    Deconvolutions of 4 x 4 bring the backbone's last map to a quarter of the view's resolution. The
    logits of a map become probabilities over its cells; the loss is their cross-entropy with a
    Gaussian around the true point. The peak is refined by a parabola through it and its
    neighbours, which is exact for a Gaussian. Points outside the view cannot be found.

    Args:
        width: channels of the last map.
        num_points: P.
        stride: of that map, in pixels of the view.
        channels: of the deconvolutions.

    Source:
        Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking" (2018): the layers;
        sigma is 2 cells of 64. Differs from it: cross-entropy, not squared errors, which need no
        weight of the peak against the empty rest; and the parabola, not a quarter of a cell.

    Example:
        >>> head = HeatmapHead(16, 5, stride=32, channels=8)
        >>> output = head(torch.randn(2, 16, 2, 2))
        >>> output.shape, head.points(output).shape
        (torch.Size([2, 5, 16, 16]), torch.Size([2, 5, 2]))
    """

    @checked_call(stride=whole, channels=whole)
    def __init__(self, width: int, num_points: int, *, stride: int, channels: int = 256) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(max(0, round(math.log2(stride / 4)))):
            layers += [
                nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False),
                *(nn.BatchNorm2d(channels), nn.ReLU()),
            ]
            width = channels
        # A softmax would not see a bias.
        last = nn.Conv2d(width, num_points, 1, bias=False)
        nn.init.normal_(last.weight, std=0.001)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, h', w')`` maps to ``(B, P, h, w)`` logits."""
        logits: Tensor = self.layers(features)
        return logits

    def points(self, output: Tensor) -> Tensor:
        """The refined peaks ``(B, P, 2)``."""
        return peaks(output.float())

    def loss(self, output: Tensor, points: Tensor, inside: Tensor) -> Tensor:
        """Cross-entropy; the arguments are those of `RegressionHead.loss`."""
        target = gaussian_logits(points, output.shape[-2:]).flatten(2).softmax(2)
        entropies = -(target * output.float().flatten(2).log_softmax(2)).sum(2)  # (B, P)
        return _mean_inside(entropies, inside)


def gaussian_logits(points: Tensor, cells: tuple[int, ...] | torch.Size) -> Tensor:
    """Logarithm of a Gaussian around each point, at the centres of the cells.

    Args:
        points: ``(B, P, 2)``.
        cells: h and w. Sigma is ``max(h, w) / 32`` cells, at least 1.

    Returns:
        ``(B, P, h, w)``, 0 at the point.
    """
    height, width = cells
    sigma = max(1.0, max(height, width) / 32)
    rows = torch.arange(height, device=points.device) + 0.5
    columns = torch.arange(width, device=points.device) + 0.5
    x, y = points.unbind(-1)  # (B, P)
    down = (rows - y[..., None] * height).square()  # (B, P, h)
    right = (columns - x[..., None] * width).square()
    return -(down[..., :, None] + right[..., None, :]) / (2 * sigma**2)


def peaks(logits: Tensor) -> Tensor:
    """Where each map is highest, by a parabola along each axis.

    Args:
        logits: ``(B, P, h, w)``.

    Returns:
        ``(B, P, 2)``.

    Example:
        >>> points = torch.tensor([[[0.3, 0.62]]])
        >>> peaks(gaussian_logits(points, (8, 8)))
        tensor([[[0.3000, 0.6200]]])
    """
    height, width = logits.shape[-2:]
    best = logits.flatten(2).argmax(2)
    row, column = best // width, best % width
    along_x = logits.gather(2, row[..., None, None].expand(-1, -1, 1, width))[:, :, 0]
    along_y = logits.gather(3, column[..., None, None].expand(-1, -1, height, 1))[..., 0]
    x = column + 0.5 + _vertex(along_x, column)
    y = row + 0.5 + _vertex(along_y, row)
    return torch.stack([x / width, y / height], -1)


def _vertex(values: Tensor, place: Tensor) -> Tensor:
    """How far from a place of ``(B, P, n)`` values the parabola through it and its neighbours
    is highest; 0 at the ends and where all three are equal.
    """
    last = values.shape[-1] - 1
    before, here, after = (
        values.gather(-1, (place + step).clamp(0, last)[..., None])[..., 0] for step in (-1, 0, 1)
    )
    bend = 2 * here - before - after
    inner = (place > 0) & (place < last) & (bend > 0)
    offset = (after - before) / (2 * torch.where(inner, bend, torch.ones_like(bend)))
    return torch.where(inner, offset, torch.zeros_like(offset)).clamp(-0.5, 0.5)


def _mean_inside(values: Tensor, inside: Tensor) -> Tensor:
    # A sum of nothing is 0, with a gradient of 0: no NaN where no point is inside.
    return (values * inside).sum() / inside.sum().clamp(min=1)
