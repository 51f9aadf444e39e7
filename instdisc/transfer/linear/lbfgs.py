"""L-BFGS for functions of a linear map, several at once.

Legend: R problems, ... shape of a point.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

_HISTORY = 10
_TRIES = 30
_GAIN = 10  # times the tolerance: what a step may still promise at the end
_ENOUGH = 1e-4  # share of the promised decrease that a step must bring (Armijo)


class Objective(Protocol):
    """R functions ``f(A x) + g(x)`` of points ``(R, ...)`` whose costly part is the map A."""

    def images(self, point: Tensor) -> Tensor:
        """A x, linear, ``(..., R, n)``."""

    def value(self, images: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
        """``(R,)`` values, and what `gradient` needs."""

    def gradient(self, state: Tensor, point: Tensor) -> Tensor:
        """``(R, ...)``."""

    def largest(self, gradient: Tensor) -> Tensor:
        """``(R,)``, what must fall below the tolerance."""

    def diagonal(self, state: Tensor) -> Tensor:
        """``(R, ...)`` positive guess of the Hessian's diagonal at the start."""


class Minimum(NamedTuple):
    """Where the search ended.

    Attributes:
        point: ``(R, ...)``.
        iterations: ``(R,)`` int64.
        gradients: ``(R,)``, by `Objective.largest`.
    """

    point: Tensor
    iterations: Tensor
    gradients: Tensor


def minimise(objective: Objective, start: Tensor, *, tol: float, max_iter: int) -> Minimum:
    """L-BFGS with 10 pairs, backtracking, and a diagonal first guess of the Hessian.

    A step costs one product with A and one with its transpose, however often the line search
    tries: along a line, A x moves linearly. A problem that is done stays where it is.

    Args:
        objective: R convex functions.
        start: ``(R, ...)`` points.
        tol: stop where `Objective.largest` is at most this, and the next step promises a decrease
            of at most ten times this.
        max_iter: stop after so many steps.

    Source:
        Nocedal and Wright, "Numerical Optimization" (2006), algorithms 3.1 and 7.4.
    """
    point, images = start, objective.images(start)
    value, state = objective.value(images, point)
    diagonal = objective.diagonal(state)
    gradient = objective.gradient(state, point)
    iterations = torch.zeros(len(start), dtype=torch.int64, device=start.device)
    moves: list[tuple[Tensor, Tensor, Tensor]] = []
    scale = torch.ones_like(value)
    stuck = torch.zeros_like(value, dtype=torch.bool)
    for _ in range(max_iter):
        direction = _direction(gradient, moves, diagonal, scale)
        slope = _dot(gradient, direction)
        # Where a function is nearly flat, a small gradient alone may be far from the minimum.
        promising = -0.5 * slope > _GAIN * tol
        active = ((objective.largest(gradient) > tol) | promising) & ~stuck
        if not active.any():
            break
        ahead = objective.images(direction)
        length, new_value, state = _search(
            objective, point, images, direction, ahead, value, slope, active
        )
        stuck |= active & (length == 0)
        move = _by(length, direction) * direction
        point, images = point + move, images + length[:, None] * ahead
        new_gradient = objective.gradient(state, point)
        change = new_gradient - gradient
        product = _dot(move, change)
        sound = product > 0
        inverse = torch.where(sound, 1 / product.where(sound, torch.ones_like(product)), 0)
        curvature = _dot(change, change / diagonal)
        scale = torch.where(sound, product / curvature.where(sound, torch.ones_like(scale)), scale)
        moves = [*moves, (move, change, inverse)][-_HISTORY:]
        value, gradient = new_value, new_gradient
        iterations += active & ~stuck
    return Minimum(point, iterations, objective.largest(gradient))


def _direction(
    gradient: Tensor,
    moves: list[tuple[Tensor, Tensor, Tensor]],
    diagonal: Tensor,
    scale: Tensor,
) -> Tensor:
    """Minus the inverse Hessian's estimate times the gradient."""
    product = gradient
    weights = []
    for move, change, inverse in reversed(moves):
        weight = inverse * _dot(move, product)
        weights.append(weight)
        product = product - _by(weight, change) * change
    product = product / diagonal * _by(scale, product)
    for (move, change, inverse), weight in zip(moves, reversed(weights), strict=True):
        product = product + _by(weight - inverse * _dot(change, product), move) * move
    return -product


def _search(
    objective: Objective,
    point: Tensor,
    images: Tensor,
    direction: Tensor,
    ahead: Tensor,
    value: Tensor,
    slope: Tensor,
    active: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Lengths ``(R,)`` of steps that decrease enough, 0 where there is none; value and state."""
    length = active.to(value.dtype)
    slack = 4 * torch.finfo(value.dtype).eps * value.abs()
    for _ in range(_TRIES):
        there = images + length[:, None] * ahead
        reached, state = objective.value(there, point + _by(length, direction) * direction)
        short = active & ~(reached <= value + _ENOUGH * length * slope + slack)
        if not short.any():
            return length, reached, state
        # The minimum of the parabola through both values and the slope.
        guess = -slope * length**2 / (2 * (reached - value - length * slope))
        guess = torch.minimum(torch.maximum(guess, 0.1 * length), 0.5 * length)
        length = torch.where(short, guess.nan_to_num(0.0), length)
    length = torch.where(short, 0.0, length)
    there = images + length[:, None] * ahead
    return length, *objective.value(there, point + _by(length, direction) * direction)


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).flatten(1).sum(1)


def _by(factors: Tensor, shape: Tensor) -> Tensor:
    return factors.view(-1, *(1,) * (shape.ndim - 1))
