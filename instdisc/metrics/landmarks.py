"""How far predicted points lie from the true ones.

Legend: N images, P points, T thresholds, `...` any further dimensions, for example resamples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call

from .rows import ImageRows, empty_rows


@checked_call()
def landmark_errors(predicted: Tensor, points: Tensor, distances: Tensor) -> Tensor:
    """Error of each point over the distance between the eyes: ``|p - t| / d``.

    Args:
        predicted: ``(N, P, 2)`` float, in any unit of length.
        points: ``(N, P, 2)`` the true points, in the same unit.
        distances: ``(N,)`` between the eyes, in the same unit; NaN where it cannot be measured,
            since no point of an eye is visible.

    Returns:
        ``(N, P)`` float64; NaN for a face without a distance.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if the shapes do not fit each other, a point is not finite, or a distance is
            infinite or not positive.

    Example:
        >>> truth = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]])
        >>> landmark_errors(truth + torch.tensor([3.0, 4.0]), truth, torch.tensor([10.0]))
        tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    checks.dtype("points", checks.shape("points", points, ("N", "P", 2)), checks.FLOATS)
    checks.dtype("predicted", predicted, checks.FLOATS)
    checks.same_shape("predicted", predicted, "points", points)
    checks.dtype("distances", checks.shape("distances", distances, (len(points),)), checks.FLOATS)
    bad = (distances <= 0) | distances.isinf()
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        checks.refuse(
            "distances",
            "positive, or NaN where an eye is hidden",
            float(distances[first]),
            f"The eyes of image {first} coincide, and its error has no value.",
        )
    checks.all_finite("points", points, row="image")
    checks.all_finite(
        "predicted", predicted, row="image", remedy="The training diverged: lower the rate."
    )
    gaps = torch.linalg.vector_norm(predicted.double() - points.double(), dim=-1)
    return gaps / distances.double()[:, None]


@checked_call()
def image_errors(errors: Tensor, visible: Tensor) -> Tensor:
    """Mean error of each image over those of its points that count.

    Args:
        errors: ``(N, P)``; NaN does not count.
        visible: ``(N, P)`` bool.

    Returns:
        ``(N,)``, NaN for an image without a point that counts.

    Example:
        >>> image_errors(torch.tensor([[0.2, 9.0]]), torch.tensor([[True, False]]))
        tensor([0.2000])
    """
    return _masked_mean(errors, visible, 1)


@checked_call()
def point_errors(errors: Tensor, visible: Tensor) -> Tensor:
    """Mean error of each point over the images where it counts.

    Args:
        errors: ``(N, P)``; NaN does not count.
        visible: ``(N, P)`` bool.

    Returns:
        ``(P,)``, NaN for a point that never counts.
    """
    return _masked_mean(errors, visible, 0)


@checked_call()
def mean_error(errors: Tensor) -> Tensor:
    """Mean over the images.

    Args:
        errors: ``(..., N)`` of each image.

    Returns:
        ``(...)``.

    Raises:
        TypeError, ValueError: if there is no image, or an error is not a number of at least 0.
    """
    return _checked(errors).mean(-1)


@checked_call(threshold=checks.positive)
def failure_rate(errors: Tensor, threshold: float) -> Tensor:
    """Share of the images whose error is above a threshold.

    Args:
        errors: ``(..., N)`` of each image.
        threshold: e.g. 0.08 or 0.1 of the distance between the eyes.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError, ValueError: if `threshold` is not positive; and as `mean_error`.

    Example:
        >>> failure_rate(torch.tensor([0.05, 0.1, 0.2]), 0.1)
        tensor(0.3333, dtype=torch.float64)
    """
    return (_checked(errors) > threshold).double().mean(-1)


@checked_call()
def cumulative_errors(errors: Tensor, thresholds: Tensor) -> Tensor:
    """Share of the images whose error is at most each threshold: the cumulative error curve.

    Args:
        errors: ``(N,)`` of each image.
        thresholds: ``(T,)``.

    Returns:
        ``(T,)`` float64 in [0, 1].

    Raises:
        TypeError, ValueError: as `mean_error`; if a threshold is not finite.

    Example:
        >>> cumulative_errors(torch.tensor([0.05, 0.1, 0.2]), torch.tensor([0.0, 0.1, 0.2]))
        tensor([0.0000, 0.6667, 1.0000], dtype=torch.float64)
    """
    checks.shape("errors", _checked(errors), ("N",))
    checks.dtype("thresholds", checks.shape("thresholds", thresholds, ("T",)), checks.FLOATS)
    if not len(thresholds):
        checks.refuse("thresholds", "of at least one", thresholds)
    checks.all_finite("thresholds", thresholds)
    return (errors[None] <= thresholds[:, None]).double().mean(1)


@checked_call(threshold=checks.positive)
def area_under_curve(errors: Tensor, threshold: float) -> Tensor:
    """Area under the cumulative error curve from 0 to a threshold, over the threshold.

    It is exact, without steps: ``mean(max(0, 1 - e / threshold))``.

    Args:
        errors: ``(..., N)`` of each image.
        threshold: the right end.

    Returns:
        ``(...)`` in [0, 1]; 1 for no error at all.

    Raises:
        TypeError, ValueError: if `threshold` is not positive; and as `mean_error`.

    Example:
        >>> area_under_curve(torch.tensor([0.0, 0.05, 0.2]), 0.1)
        tensor(0.5000)
    """
    return (1 - _checked(errors) / threshold).clamp(min=0).mean(-1)


class LandmarkErrors(ImageRows):
    """The error of every point of a test set, from all processes; NaN where it does not count.

    A face whose distance between the eyes cannot be measured is left out and counted.

    Attributes:
        left_out: faces without a distance, of all processes; known after `compute`.

    Example:
        >>> metric = LandmarkErrors()
        >>> truth = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]])
        >>> metric.update(truth + 1, truth, torch.tensor([[True, False]]), torch.tensor([10.0]))
        >>> metric.compute(), metric.left_out
        (tensor([[0.1414,    nan]], dtype=torch.float64), 0)
    """

    left_out: int

    def __init__(self) -> None:
        super().__init__(
            {"errors": empty_rows(0, torch.float64), "unmeasured": empty_rows(None, torch.bool)}
        )

    def reset(self) -> None:
        super().reset()
        self.left_out = 0

    def update(  # type: ignore[override]
        self,
        predicted: Tensor,
        points: Tensor,
        visible: Tensor,
        distances: Tensor,
        indices: Tensor | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            predicted: see `landmark_errors`.
            points: likewise; any numbers where a point is not visible.
            visible: ``(N, P)`` bool.
            distances: see `landmark_errors`.
            indices: ``(N,)`` positions in the data set, see `ImageRows`.
        """
        checks.shape("points", points, ("N", "P", 2))
        checks.dtype("visible", checks.shape("visible", visible, points.shape[:2]), torch.bool)
        points = points.masked_fill(~visible[..., None], 0)
        errors = landmark_errors(predicted, points, distances).masked_fill(~visible, torch.nan)
        super().update(indices, errors=errors, unmeasured=distances.isnan())

    def compute(self) -> Tensor:  # type: ignore[override]
        """``(N, P)`` float64; in the order of the data set, where it is known."""
        table = super().compute()
        self.left_out = int(table["unmeasured"].sum())
        return table["errors"]


def _masked_mean(errors: Tensor, visible: Tensor, dim: int) -> Tensor:
    checks.dtype("errors", checks.shape("errors", errors, ("N", "P")), checks.FLOATS)
    checks.dtype("visible", visible, torch.bool)
    checks.same_shape("visible", visible, "errors", errors)
    if bool((errors.isinf() & visible).any()):
        checks.refuse("errors", "finite, or NaN where a point does not count", errors)
    visible = visible & ~errors.isnan()
    count = visible.sum(dim)
    total = errors.masked_fill(~visible, 0).sum(dim)
    return torch.where(count > 0, total / count.clamp(min=1), torch.nan)


def _checked(errors: Tensor) -> Tensor:
    """Errors of images, all of which have one."""
    checks.dtype("errors", errors, checks.FLOATS)
    if not errors.ndim or not errors.shape[-1]:
        checks.refuse("errors", "of at least one image", errors)
    right = (errors >= 0) & (errors < torch.inf)  # NaN is not
    if not bool(right.all()):
        wrong = float(errors[~right][0])
        checks.refuse(
            "errors", "finite and of at least 0", wrong, "Leave images without an error out."
        )
    return errors
