"""Whether a classifier knows how sure it may be: calibration, ranking, proper scores, temperature.

Legend: N images, C classes, `...` any further dimensions, for example resamples.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call

from .inputs import check_classes, check_confidences, check_features

_STEPS = 100  # of Newton's method, each of which at least halves the bracket when it must


@checked_call()
def rms_calibration_error(confidences: Tensor, hits: Tensor, *, bin_size: int = 100) -> Tensor:
    """Root of the mean squared gap between confidence and accuracy, over bins of equal size.

    ``sqrt(sum_m |B_m| / N (accuracy(B_m) - confidence(B_m))^2)``. The images are ordered by
    confidence; each bin holds the next `bin_size` of them, and the last one the remainder, too.

    Args:
        confidences: ``(..., N)`` float in [0, 1], the probability of the predicted class.
        hits: ``(..., N)`` bool, whether the prediction is right.
        bin_size: images in a bin. Fewer than two such bins of images are one bin.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError: if `hits` are not bool, or `bin_size` is no whole number.
        ValueError: if there is no image, the shapes differ, `bin_size` is not positive, or a
            confidence is NaN or lies outside [0, 1].

    Source:
        Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure" (2019), and the code of
        "Natural Adversarial Examples" (2021). Differs from that code: it ends one bin early and
        so leaves out the most confident images. Images of equal confidence keep their order.

    Example:
        >>> confidences = torch.tensor([0.95, 0.9, 0.8, 0.7, 0.6, 0.55])
        >>> hits = torch.tensor([True, True, False, True, False, True])
        >>> rms_calibration_error(confidences, hits, bin_size=2)
        tensor(0.1568, dtype=torch.float64)
    """
    check_confidences(confidences, hits)
    gaps = (hits.double() - confidences.double()).gather(-1, _order(confidences))
    count = gaps.shape[-1]
    num_bins = max(1, count // bin_size)
    cut = (num_bins - 1) * bin_size  # where the last bin begins
    squares = (count - cut) * gaps[..., cut:].mean(-1).square()
    if cut:
        full = gaps[..., :cut].unflatten(-1, (num_bins - 1, bin_size)).mean(-1)
        squares += bin_size * full.square().sum(-1)
    return (squares / count).sqrt()


@checked_call()
def aurra(confidences: Tensor, hits: Tensor) -> Tensor:
    """Area under accuracy over response rate: the accuracy if the least sure answers are withheld.

    ``1/N sum_i accuracy(the i most confident)``: 1 if all are right; of two classifiers of one
    accuracy, the one that is unsure where it is wrong has more.

    Args:
        confidences: ``(..., N)`` float in [0, 1], the probability of the predicted class.
        hits: ``(..., N)`` bool, whether the prediction is right.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError: if `hits` are not bool.
        ValueError: if there is no image, the shapes differ, or a confidence is NaN or lies outside
            [0, 1].

    Source:
        Hendrycks et al., "Natural Adversarial Examples" (2021). Images of equal confidence keep
        their order.

    Example:
        >>> aurra(torch.tensor([0.9, 0.8]), torch.tensor([True, False]))
        tensor(0.7500, dtype=torch.float64)
    """
    check_confidences(confidences, hits)
    right = hits.double().gather(-1, _order(confidences, descending=True)).cumsum(-1)
    return (right / torch.arange(1, right.shape[-1] + 1, device=right.device)).mean(-1)


@checked_call()
def brier_score(
    probabilities: Tensor, labels: Tensor, *, reduction: Literal["mean", "none"] = "mean"
) -> Tensor:
    """Squared distance of the probabilities from the truth, summed over the classes: 0 to 2.

    ``1/N sum_i sum_c (p_ic - [y_i = c])^2``.

    Args:
        probabilities: ``(..., N, C)`` float in [0, 1], that sum to 1 over the classes.
        labels: ``(..., N)`` int64 in [0, C).
        reduction: ``"none"`` for the score of each image.

    Returns:
        ``(...)`` float64, or ``(..., N)``.

    Raises:
        TypeError: if the labels are no whole numbers.
        ValueError: if there is no image, the shapes differ, a label is outside the classes, or
            probabilities do not sum to 1.

    Source:
        Brier, "Verification of Forecasts Expressed in Terms of Probability" (1950): this form.
        scikit-learn's ``scale_by_half=False``; for two classes it halves by default.

    Example:
        >>> brier_score(torch.tensor([[0.5, 0.5], [0.0, 1.0]]), torch.tensor([0, 0]))
        tensor(1.2500, dtype=torch.float64)
    """
    checks.dtype("probabilities", probabilities, checks.FLOATS)
    sums = probabilities.double().sum(-1)
    near = (sums - 1).abs() < max(1e-3, torch.finfo(probabilities.dtype).eps)  # bfloat16: 0.8 %
    wrong = (~near | (probabilities < 0).any(-1)).flatten()
    if bool(wrong.any()):
        checks.refuse(
            "probabilities",
            "at least 0, with the sum 1 over the classes",
            float(sums.flatten()[wrong][0]),
            "Take the softmax of logits.",
        )
    chosen = _of_label("probabilities", probabilities, labels).double()
    scores = probabilities.double().square().sum(-1) + 1 - 2 * chosen
    return scores if reduction == "none" else scores.mean(-1)


@checked_call()
def negative_log_likelihood(
    logits: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    reduction: Literal["mean", "none"] = "mean",
) -> Tensor:
    """Mean of ``-log p(label)`` in nats, where ``p = softmax(logits / temperature)``.

    Args:
        logits: ``(..., N, C)`` float, finite.
        labels: ``(..., N)`` int64 in [0, C).
        temperature: divides the logits; see `fit_temperature`.
        reduction: ``"none"`` for the value of each image.

    Returns:
        ``(...)`` float64, or ``(..., N)``.

    Raises:
        TypeError: if the labels are no whole numbers.
        ValueError: if there is no image, the shapes differ, a label is outside the classes, a
            logit is not finite, or `temperature` is not positive.

    Example:
        >>> negative_log_likelihood(torch.zeros(3, 4), torch.tensor([0, 1, 3]))
        tensor(1.3863, dtype=torch.float64)
    """
    checks.dtype("logits", logits, checks.FLOATS)
    checks.all_finite("logits", logits, row="image")
    if logits.shape[:-1] != labels.shape:
        rule = f"a tensor (..., N, C) whose N are those of `labels`, {tuple(labels.shape)}"
        checks.refuse("logits", rule, logits)
    scaled = logits.double() / temperature
    values = scaled.logsumexp(-1) - _of_label("logits", scaled, labels)
    return values if reduction == "none" else values.mean(-1)


@checked_call()
def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T at which ``softmax(logits / T)`` has the smallest negative log-likelihood.

    One number for all classes: the predictions stay, their confidence changes. The likelihood is
    concave in 1 / T, so there is one optimum at most; its derivative is solved by Newton's method
    in log T within a bracket, in float64 and without bounds.

    Args:
        logits: ``(N, C)`` float of images that the classifier was not trained on.
        labels: ``(N,)`` int64 in [0, C).

    Raises:
        TypeError: if the labels are no whole numbers.
        ValueError: if there is no image, the shapes differ, a logit is not finite, a label is
            outside the classes, or no temperature is best: where every image has the largest logit
            at its label the likelihood grows as T falls to 0, and where labels have no larger
            logits than the average class as T grows.

    Source:
        Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2. Differs from
        it: solved to the precision of the numbers rather than by some steps of an optimiser.

    Example:
        >>> logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
        >>> round(fit_temperature(logits, torch.tensor([0, 0, 1, 1])), 4)  # 3 of 4 are right
        3.641
    """
    check_features("logits", logits)
    # Below the largest of each image and at most 1 apart: neither an offset nor the scale of the
    # logits costs digits then, and no square overflows.
    logits = logits.detach().double()
    scale = float(logits.abs().amax()) if logits.numel() else 0.0
    scaled = logits / (scale or 1.0)
    scaled = scaled - scaled.amax(1, keepdim=True) if logits.numel() else scaled
    target = _of_label("logits", scaled, labels).mean()
    if not float(target) < 0:
        checks.refuse(
            "logits",
            "wrong for some image",
            logits,
            "Every image is classified right, so that the best temperature is 0. Fit it on more "
            "images, which the classifier was not trained on.",
        )

    def slope(inverse: float) -> tuple[float, float]:
        """Of the negative log-likelihood over 1 / T, and its own slope."""
        shares = (scaled * inverse).softmax(1)
        means = (shares * scaled).sum(1, keepdim=True)
        spread = (shares * (scaled - means).square()).sum(1).mean()
        return float(means.mean() - target), float(spread)

    if not slope(0.0)[0] < 0:
        checks.refuse(
            "logits",
            "larger at the labels than on average",
            logits,
            "They tell nothing of these labels, so that the best temperature is infinite. Are they "
            "the labels of these images?",
        )
    # It rises with 1 / T from below 0 to above 0.
    low = high = 1.0
    while slope(low)[0] > 0:
        low /= 4
    while slope(high)[0] < 0:
        high *= 4
    inverse = math.sqrt(low * high)
    for _ in range(_STEPS):
        value, rate = slope(inverse)
        low, high = (inverse, high) if value < 0 else (low, inverse)
        step = value / (rate * inverse) if rate * inverse > 0 else math.inf  # in log(1 / T)
        following = inverse * math.exp(-step) if abs(step) < 50 else math.inf
        if not low < following < high:
            following = math.sqrt(low * high)
        if abs(following - inverse) <= 1e-14 * inverse:
            break
        inverse = following
    return scale / inverse


def _order(confidences: Tensor, *, descending: bool = False) -> Tensor:
    """``(..., N)`` positions by confidence; equal ones keep their order."""
    if confidences.dtype != torch.float32 or confidences.device.type != "cpu":
        return confidences.argsort(dim=-1, descending=descending, stable=True)
    # Bits of a number that is not negative rise with it. Bits and position in one integer: numpy
    # sorts integers ten times as fast as torch finds the order of numbers.
    bits = confidences.abs().view(torch.int32).long()
    keys = ((-bits if descending else bits) << 32) | torch.arange(confidences.shape[-1])
    return torch.from_numpy(np.sort(keys.numpy(), axis=-1)) & 0xFFFFFFFF


def _of_label(name: str, table: Tensor, labels: Tensor) -> Tensor:
    """``(..., N)`` what stands in ``(..., N, C)`` at each label."""
    if table.ndim < 2 or not table.shape[-2] or not table.shape[-1]:
        checks.refuse(name, "a tensor (..., N, C) of at least one image", table)
    checks.shape("labels", labels, table.shape[:-1])
    check_classes("labels", labels, table.shape[-1])
    return table.gather(-1, labels.long()[..., None])[..., 0]
