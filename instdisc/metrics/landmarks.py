"""How far predicted points lie from the true ones.

Legend: N images, P points, T thresholds, `...` any further dimensions, for example resamples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


def landmark_errors(predicted: Tensor, points: Tensor, distances: Tensor) -> Tensor:
    """Error of each point over the distance between the eyes: ``|p - t| / d``.

    Args:
        predicted: ``(N, P, 2)`` float, in any unit of length.
        points: ``(N, P, 2)`` the true points, in the same unit.
        distances: ``(N,)`` between the eyes, in the same unit.

    Returns:
        ``(N, P)`` float64.

    Raises:
        ValueError: if the shapes do not fit each other, a predicted point is not finite, or a
            distance is not positive.

    Example:
        >>> truth = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]])
        >>> landmark_errors(truth + torch.tensor([3.0, 4.0]), truth, torch.tensor([10.0]))
        tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    if predicted.shape != points.shape or points.ndim != 3 or points.shape[2] != 2:
        raise ValueError(
            "`predicted` and `points` must both be (N, P, 2), got "
            f"{tuple(predicted.shape)} and {tuple(points.shape)}"
        )
    if distances.shape != points.shape[:1]:
        raise ValueError(f"`distances` must be ({len(points)},), got {tuple(distances.shape)}")
    bad = (~(distances > 0)).nonzero()[:, 0]
    if len(bad):
        raise ValueError(
            f"`distances` must be positive, got {float(distances[bad[0]])} for image "
            f"{int(bad[0])}: its eyes coincide, and its error has no value"
        )
    if not predicted.isfinite().all():
        raise ValueError("`predicted` must be finite: the training diverged. Lower the rate.")
    gaps = torch.linalg.vector_norm(predicted.double() - points.double(), dim=-1)
    return gaps / distances.double()[:, None]


def image_errors(errors: Tensor, visible: Tensor) -> Tensor:
    """Mean error of each image over those of its points that count.

    Args:
        errors: ``(N, P)``.
        visible: ``(N, P)`` bool.

    Returns:
        ``(N,)``, NaN for an image without a point that counts.

    Example:
        >>> image_errors(torch.tensor([[0.2, 9.0]]), torch.tensor([[True, False]]))
        tensor([0.2000])
    """
    return _masked_mean(errors, visible, 1)


def point_errors(errors: Tensor, visible: Tensor) -> Tensor:
    """Mean error of each point over the images where it counts.

    Args:
        errors: ``(N, P)``.
        visible: ``(N, P)`` bool.

    Returns:
        ``(P,)``, NaN for a point that never counts.
    """
    return _masked_mean(errors, visible, 0)


def mean_error(errors: Tensor) -> Tensor:
    """Mean over the images.

    Args:
        errors: ``(..., N)`` of each image.

    Returns:
        ``(...)``.
    """
    return errors.mean(-1)


def failure_rate(errors: Tensor, threshold: float) -> Tensor:
    """Share of the images whose error is above a threshold.

    Args:
        errors: ``(..., N)`` of each image.
        threshold: e.g. 0.08 or 0.1 of the distance between the eyes.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        ValueError: if `threshold` is not positive.

    Example:
        >>> failure_rate(torch.tensor([0.05, 0.1, 0.2]), 0.1)
        tensor(0.3333, dtype=torch.float64)
    """
    if not threshold > 0:
        raise ValueError(f"`threshold` must be positive, got {threshold}")
    return (errors > threshold).double().mean(-1)


def cumulative_errors(errors: Tensor, thresholds: Tensor) -> Tensor:
    """Share of the images whose error is at most each threshold: the cumulative error curve.

    Args:
        errors: ``(N,)`` of each image.
        thresholds: ``(T,)``.

    Returns:
        ``(T,)`` float64 in [0, 1].

    Example:
        >>> cumulative_errors(torch.tensor([0.05, 0.1, 0.2]), torch.tensor([0.0, 0.1, 0.2]))
        tensor([0.0000, 0.6667, 1.0000], dtype=torch.float64)
    """
    return (errors[None] <= thresholds[:, None]).double().mean(1)


def area_under_curve(errors: Tensor, threshold: float) -> Tensor:
    """Area under the cumulative error curve from 0 to a threshold, over the threshold.

    It is exact, without steps: ``mean(max(0, 1 - e / threshold))``.

    Args:
        errors: ``(..., N)`` of each image.
        threshold: the right end.

    Returns:
        ``(...)`` in [0, 1]; 1 for no error at all.

    Raises:
        ValueError: if `threshold` is not positive.

    Example:
        >>> area_under_curve(torch.tensor([0.0, 0.05, 0.2]), 0.1)
        tensor(0.5000)
    """
    if not threshold > 0:
        raise ValueError(f"`threshold` must be positive, got {threshold}")
    return (1 - errors / threshold).clamp(min=0).mean(-1)


class LandmarkErrors(Metric):
    """The error of every point of a test set, from all processes; NaN where it does not count.

    Example:
        >>> metric = LandmarkErrors()
        >>> truth = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]])
        >>> metric.update(truth + 1, truth, torch.tensor([[True, False]]), torch.tensor([10.0]))
        >>> metric.compute()
        tensor([[0.1414,    nan]], dtype=torch.float64)
    """

    full_state_update = False
    errors: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("errors", [], dist_reduce_fx="cat")

    def update(self, predicted: Tensor, points: Tensor, visible: Tensor, distances: Tensor) -> None:
        """Adds a batch; see `landmark_errors`."""
        errors = landmark_errors(predicted, points, distances)
        self.errors.append(errors.masked_fill(~visible, torch.nan))

    def compute(self) -> Tensor:
        """``(N, P)`` float64."""
        # torchmetrics joins the list where processes meet.
        return torch.cat(self.errors) if isinstance(self.errors, list) else self.errors


def _masked_mean(errors: Tensor, visible: Tensor, dim: int) -> Tensor:
    count = visible.sum(dim)
    total = errors.masked_fill(~visible, 0).sum(dim)
    return torch.where(count > 0, total / count.clamp(min=1), torch.nan)
