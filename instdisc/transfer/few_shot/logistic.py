"""Logistic regression of many episodes at once.

Legend: E episodes, n support images of each, D width, C classes.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call


@checked_call()
class EpisodeLogistic(NamedTuple):
    """A linear classifier for each episode: the logits of x are ``coef @ x + intercept``.

    Attributes:
        coef: ``(E, C, D)``.
        intercept: ``(E, C)``, of zero sum, as in scikit-learn.
    """

    coef: Tensor
    intercept: Tensor


@checked_call()
def fit_episode_logistic(
    features: Tensor,
    labels: Tensor,
    *,
    strength: float = 1.0,
    tolerance: float = 1e-4,
    max_iter: int = 2000,
) -> EpisodeLogistic:
    r"""Multinomial logistic regression of E support sets at once, each to its minimum.

    Minimises for each episode what scikit-learn's ``LogisticRegression(C=strength)`` does, where
    the intercept b is not regularised:

    .. math:: \tfrac{1}{2} \lVert W \rVert^2
        + \text{strength} \sum_i -\log \operatorname{softmax}(W x_i + b)_{y_i}

    The Hessian of the softmax never exceeds a half of that of least squares (Böhning). So Newton's
    method with this bound factorises one matrix per episode, once, and cannot diverge; Nesterov's
    momentum, restarted where it points uphill, makes up for the looseness of the bound. W lies in
    the span of the support set, so all of it happens on n x n matrices.

    scikit-learn's solver, episode by episode, takes 12 times as long at 20 shots and 54 times at
    one (rows ``few_shot_1`` to ``few_shot_20`` of ``examples/benchmark.py``).

    Args:
        features: ``(E, n, D)`` float32 or float64, which is the precision of the work. Features
            that are far longer than 1 need float64.
        labels: ``(E, n)`` int64 in 0 to C - 1; C is the highest label of all plus one.
        strength: inverse weight of the squared norm; scikit-learn's C.
        tolerance: ends when the norm of the objective's gradient is below this; so is then, about,
            the distance of W from the minimum.
        max_iter: steps at most, two or more; a warning says where they did not suffice.

    Raises:
        ValueError: if shapes do not fit, there is one class only, `strength`, `tolerance` or
            `max_iter` is out of range, or features are not finite.

    Source:
        Böhning, "Multinomial logistic regression algorithm" (1992), the bound; O'Donoghue and
        Candès, "Adaptive restart for accelerated gradient schemes" (2015).

    Differs from it:
        Of two classes scikit-learn fits one vector, which is this objective at half the
        `strength`.

    Example:
        >>> features = torch.eye(4)[None]
        >>> fitted = fit_episode_logistic(features, torch.tensor([[0, 0, 1, 1]]))
        >>> (features @ fitted.coef.mT + fitted.intercept[:, None]).argmax(2)
        tensor([[0, 0, 1, 1]])
    """
    _check(features, labels, strength, tolerance, max_iter)
    gram = features @ features.mT  # (E, n, n)
    broken = ~torch.isfinite(gram.diagonal(dim1=1, dim2=2))  # fewer numbers than the features
    if broken.any():
        episode, image = broken.nonzero()[0].tolist()
        raise ValueError(
            f"`features` must be finite, those of image {image} of episode {episode} are not"
        )
    num_classes = int(labels.max()) + 1
    # Classes first: (E, C, n) @ (E, n, n) and a softmax over C both run faster this way round.
    targets = F.one_hot(labels, num_classes).mT.to(features.dtype)
    dual, logits, unfinished = _minimise(gram, targets, strength, tolerance, max_iter)
    if unfinished:
        warnings.warn(
            f"logistic regression did not reach `tolerance`={tolerance} within `max_iter`="
            f"{max_iter} steps in {unfinished} of {len(features)} episodes. Normalise the features "
            "to unit length, lower `strength`, or fit in float64.",
            RuntimeWarning,
            stacklevel=2,
        )
    intercept = (logits - dual @ gram).mean(2)
    return EpisodeLogistic(dual @ features, intercept)


def _minimise(
    gram: Tensor, targets: Tensor, strength: float, tolerance: float, max_iter: int
) -> tuple[Tensor, Tensor, int]:
    """Dual weights A ``(E, C, n)`` with W = A X, logits of the support, episodes unfinished.

    With R = P - Y + A / strength, a step changes A by -S R and the logits by -2 (R - S R /
    strength): one product with S each, none with the Gram matrix.
    """
    step_matrix = _step_matrix(gram, strength)  # (E, n, n)
    # The gradient's square is at most the bound's largest eigenvalue times <R, the logits' step>.
    largest = 1 + strength / 2 * (gram.diagonal(dim1=1, dim2=2) + 1).sum(1)
    enough = tolerance**2 / (strength * largest)  # (E,)
    dual = torch.zeros_like(targets)
    logits = torch.zeros_like(targets)
    ahead_dual, ahead_logits = dual, logits  # Nesterov's point, a bit further along
    age = targets.new_zeros(len(targets), 1, 1)  # steps since the momentum was restarted
    for iteration in range(max_iter):
        residual = ahead_logits.softmax(1).sub_(targets).add_(ahead_dual, alpha=1 / strength)
        change = torch.bmm(residual, step_matrix)
        descent = (residual - change / strength).mul_(2)
        new_dual, new_logits = ahead_dual - change, ahead_logits - descent
        if iteration % 2:  # to look at the result makes a GPU wait
            unfinished = (residual * descent).sum((1, 2)) > enough
            if not bool(unfinished.any()):
                return new_dual, new_logits, 0
        dual_step, logits_step = new_dual - dual, new_logits - logits
        # The gradient along the last step; positive = uphill.
        uphill = (residual * logits_step).sum((1, 2), keepdim=True) > 0
        age = torch.where(uphill, 0, age + 1)
        momentum = age / (age + 3)
        ahead_dual = torch.addcmul(new_dual, momentum, dual_step)
        ahead_logits = torch.addcmul(new_logits, momentum, logits_step)
        dual, logits = new_dual, new_logits
    return dual, logits, int(unfinished.sum())


def _step_matrix(gram: Tensor, strength: float) -> Tensor:
    """S: inverse of the bound ``gram / 2 + I / strength`` on vectors of zero sum.

    The zero sum of each class's dual weights is what an intercept without regularisation asks for.
    """
    bound = gram / 2
    bound.diagonal(dim1=1, dim2=2).add_(1 / strength)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(bound))
    sums = inverse.sum(2)  # (E, n)
    return torch.baddbmm(
        inverse, (sums / sums.sum(1, keepdim=True))[:, :, None], sums[:, None], alpha=-1
    )


def _check(
    features: Tensor, labels: Tensor, strength: float, tolerance: float, max_iter: int
) -> None:
    checks.dtype("features", features, (torch.float32, torch.float64))
    checks.dtype("labels", labels, torch.int64)
    if features.ndim != 3 or labels.shape != features.shape[:2] or not features.numel():
        raise ValueError(
            "`features` must be (E, n, D) and `labels` (E, n), got "
            f"{tuple(features.shape)} and {tuple(labels.shape)}"
        )
    checks.whole("max_iter", max_iter, at_least=2)
    if int(labels.min()) < 0 or int(labels.max()) < 1:
        raise ValueError(
            "`labels` must begin at 0 and hold at least two classes, got "
            f"{int(labels.min())} to {int(labels.max())}"
        )
