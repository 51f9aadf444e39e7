"""Multinomial logistic regression at many strengths of regularisation.

Legend: N images, D width, K rank of the features, C classes, R regressions solved together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call

from .lbfgs import minimise


@checked_call()
class SoftmaxPath(NamedTuple):
    """Solutions for P penalties.

    Attributes:
        weight: ``(P, C, D)`` float64.
        bias: ``(P, C)`` float64.
        iterations: ``(P,)`` int64.
        gradients: ``(P,)`` float64, the largest value of the gradient at the end; above the
            tolerance where `max_iter` or the precision of the numbers ended the search.
    """

    weight: Tensor
    bias: Tensor
    iterations: Tensor
    gradients: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """``(P, N, C)`` float64 logits of features ``(N, D)``."""
        return features.double() @ self.weight.mT + self.bias[:, None]


@checked_call(filled=["penalties"], penalties=checks.positive)
def fit_softmax_path(
    features: Tensor,
    labels: Tensor,
    penalties: Sequence[float],
    *,
    num_classes: int,
    tol: float = 1e-6,
    max_iter: int = 1000,
    together: bool = False,
) -> SoftmaxPath:
    """Minimises ``1/N (sum_i -log softmax(W x_i + b)[y_i] + penalty / 2 |W|^2)`` per penalty.

    The bias is not regularised. In the eigenbasis of the centred features' covariance the Hessian
    is nearly diagonal; its diagonal at the starting point is the first guess of L-BFGS. One
    after another, from the strongest penalty on, each starts from the solution before.

    scikit-learn's ``LogisticRegression`` with warm starts takes 3.2 times as long for 45 penalties
    (row ``readout`` of ``examples/benchmark.py``).

    Args:
        features: ``(N, D)``; computed in float64 on their device.
        labels: ``(N,)`` int64 in [0, C).
        penalties: P positive numbers; scikit-learn's ``C = 1 / penalty``.
        num_classes: C.
        tol: the largest value of the gradient, in the given features' coordinates, to stop at, as
            scikit-learn's; the next step must also promise a decrease of at most ten times this.
        max_iter: iterations for each penalty.
        together: solve all at once from zero, as suits a GPU; takes P times the memory.

    Returns:
        Solutions in the order of `penalties`.

    Raises:
        ValueError: if a penalty or `tol` is not positive, or a label is outside the classes.

    Source:
        The objective of scikit-learn's LogisticRegression; Nocedal, "Updating Quasi-Newton
        Matrices with Limited Storage" (1980).

    Example:
        >>> features = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> path = fit_softmax_path(features, torch.tensor([0, 0, 1, 1]), [1.0], num_classes=2)
        >>> path.logits(features)[0].argmax(1)
        tensor([0, 0, 1, 1])
    """
    checks.dtype("features", checks.shape("features", features, ("N", "D")), checks.FLOATS)
    checks.all_finite("features", features, row="image")
    if not features.numel():
        checks.refuse("features", "of at least one image and one number", features)
    checks.shape("labels", checks.dtype("labels", labels, torch.int64), (len(features),))
    if not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        raise ValueError(f"`labels` must lie in [0, {num_classes}), got {labels.unique().tolist()}")
    problem = _Eigenbasis(features.double(), labels, num_classes)
    order = sorted(range(len(penalties)), key=lambda i: -penalties[i])
    at_once = len(order) if together else 1
    start = problem.rows.new_zeros(at_once, num_classes, problem.rows.shape[1])
    solutions = []
    for first in range(0, len(order), at_once):
        chosen = [penalties[i] for i in order[first : first + at_once]]
        decay = problem.rows.new_tensor(chosen) / len(labels)
        solution = minimise(problem.at(decay), start, tol=tol, max_iter=max_iter)
        start = solution.point
        solutions.append((*problem.back(start), solution.iterations, solution.gradients))
    inverse = torch.tensor(order).argsort()
    columns = [torch.cat(parts) for parts in zip(*solutions, strict=True)]
    return SoftmaxPath(*(column[inverse.to(column.device)] for column in columns))


class _Eigenbasis:
    """The centred features in the eigenbasis of their covariance, a column of ones appended."""

    def __init__(self, features: Tensor, labels: Tensor, num_classes: int) -> None:
        self.mean = features.mean(0)
        centred = features - self.mean
        count, dim = centred.shape
        # The smaller of the two Gram matrices has all the eigenvalues that are not zero.
        wide = dim > count
        values, vectors = torch.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
        kept = values > values[-1].clamp(min=1e-300) * 2.3e-16 * max(count, dim)
        values, vectors = values[kept], vectors[:, kept]
        self.basis = centred.T @ (vectors / values.sqrt()) if wide else vectors  # (D, K)
        self.rows = torch.cat([centred @ self.basis, centred.new_ones(count, 1)], 1)  # (N, K + 1)
        self.curvature = torch.cat([values / count, values.new_ones(1)])  # (K + 1,)
        self.labels = labels
        self.num_classes = num_classes

    def at(self, decay: Tensor) -> _Objective:
        return _Objective(self, decay)

    def back(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """Weights ``(R, C, D)`` and biases ``(R, C)`` for the features as they were given."""
        weight = point[..., :-1] @ self.basis.T
        return weight, point[..., -1] - weight @ self.mean


class _Objective:
    """R regressions with penalties ``decay`` (R,) per image, for `minimise`."""

    def __init__(self, problem: _Eigenbasis, decay: Tensor) -> None:
        self.problem = problem
        self.decay = decay[:, None, None].repeat(1, 1, problem.rows.shape[1])
        self.decay[..., -1] = 0  # the bias
        self.rows = problem.rows
        self.classes = problem.labels[:, None, None].expand(-1, len(decay), 1)

    def images(self, point: Tensor) -> Tensor:
        """``(N, R, C)`` logits; linear in the point ``(R, C, K + 1)``."""
        return (self.rows @ point.flatten(0, 1).T).view(-1, *point.shape[:2])

    def value(self, logits: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
        """``(R,)`` objective and ``(N, R, C)`` probabilities."""
        shifted = logits - logits.amax(2, keepdim=True)
        correct = shifted.gather(2, self.classes)[..., 0]
        exponents = shifted.exp_()
        total = exponents.sum(2)
        loss = (total.log() - correct).mean(0)
        penalty = 0.5 * (self.decay * point * point).sum((1, 2))
        return loss + penalty, exponents.div_(total[..., None])

    def gradient(self, probabilities: Tensor, point: Tensor) -> Tensor:
        """``(R, C, K + 1)``."""
        errors = probabilities.scatter_add(
            2, self.classes, -torch.ones_like(self.classes, dtype=probabilities.dtype)
        )
        products = (errors.flatten(1).T @ self.rows).view_as(point)
        return products / len(self.rows) + self.decay * point

    def largest(self, gradient: Tensor) -> Tensor:
        """``(R,)`` largest value of the gradient in the coordinates of the given features."""
        problem = self.problem
        original = gradient[..., :-1] @ problem.basis.T + gradient[..., -1:] * problem.mean
        return torch.maximum(original.abs().amax((1, 2)), gradient[..., -1].abs().amax(1))

    def diagonal(self, probabilities: Tensor) -> Tensor:
        """``(R, C, K + 1)`` of the Hessian, as if images and classes were independent."""
        spread = (probabilities * (1 - probabilities)).mean(0)[..., None]
        diagonal = spread * self.problem.curvature + self.decay
        return diagonal.clamp(min=1e-12 * float(diagonal.max()))
