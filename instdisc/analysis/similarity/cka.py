"""Linear CKA of two tables of features.

Legend: N images, n images of a batch, D width of the features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data.left_out import say_once
from instdisc.transfer import Features

from ..inputs import FEWEST, paired_rows


@checked_call()
def cka(a: Tensor | Features, b: Tensor | Features, *, batch_size: int | None = None) -> float:
    """How alike two representations of the same images are, up to rotation and scale.

    Linear CKA without bias: with Gram matrices K, L of n > 3 images, their diagonals set to zero,

        HSIC_1(K, L) = [tr(KL) + (1'K1)(1'L1) / ((n-1)(n-2)) - 2 / (n-2) 1'KL1] / (n (n-3))
        CKA = sum_b HSIC_1(K_b, L_b) / sqrt(sum_b HSIC_1(K_b, K_b) sum_b HSIC_1(L_b, L_b))

    over batches b. 1 where one is a rotated, scaled and moved copy of the other, 0 on average for
    independent ones, slightly below by chance. Its expectation hardly depends on the batch size;
    `biased_cka` rises towards 1 where D comes near N. It changes under linear maps that are not
    orthogonal.

    Args:
        a: ``(N, D)`` float, or `Features`.
        b: ``(N, D')``, of the same images in the same order.
        batch_size: images at once, in the order given: shuffle them first if it follows the
            classes. A last batch of 3 or fewer is left out, with a line in the log. ``None``: all
            at once, which is the most precise; in feature space, so that 100,000 images of width
            2,048 need no matrix of N x N.

    Returns:
        At most 1; not cut off at 0.

    Raises:
        TypeError, ValueError: see `instdisc.analysis.inputs.paired_rows`; if `batch_size` is below
            4, or an argument is constant within every batch.

    Source:
        Nguyen, Raghu and Kornblith, "Do Wide and Deep Networks Learn the Same Things?" (2021),
        eq. 3; Kornblith et al. (2019) for CKA.

    Example:
        >>> x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
        >>> y = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
        >>> round(cka(x, 3 * x.flip(1) + 5), 6), round(cka(x, y), 2)
        (1.0, -0.03)
    """
    x, y = paired_rows(("a", "b"), a, b)
    x, y = _scaled(x), _scaled(y)
    if batch_size is not None:
        checks.whole("batch_size", batch_size, at_least=FEWEST)
    batches = list(zip(x.split(batch_size or len(x)), y.split(batch_size or len(y)), strict=True))
    if len(batches[-1][0]) < FEWEST:
        say_once(f"cka leaves out the last {len(batches.pop()[0])} images: fewer than {FEWEST}")
    sums = torch.zeros(3, dtype=torch.float64)
    for rows, others in batches:
        rows, others = rows - rows.mean(0), others - others.mean(0)
        pairs = ((rows, others), (rows, rows), (others, others))
        sums += torch.tensor([_hsic(*pair) for pair in pairs], dtype=torch.float64)
    return _ratio(*sums.tolist())


@checked_call()
def biased_cka(a: Tensor | Features, b: Tensor | Features) -> float:
    """Linear CKA of a whole set as first published: ``|Y'X|^2 / (|X'X| |Y'Y|)``, columns centred.

    It is biased upwards, strongly where D comes near N: two independent Gaussian tables of 48
    images and widths 96 and 80 give 0.67. Report `cka`; this is for small widths and comparisons.

    Args:
        a: ``(N, D)`` float, or `Features`.
        b: ``(N, D')``, of the same images in the same order.

    Returns:
        Between 0 and 1.

    Raises:
        TypeError, ValueError: see `instdisc.analysis.inputs.paired_rows`.

    Source:
        Kornblith et al., "Similarity of Neural Network Representations Revisited" (2019), table 1.

    Example:
        >>> x = torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
        >>> y = torch.randn(50, 40, generator=torch.Generator().manual_seed(1))
        >>> round(biased_cka(x, y), 2), round(cka(x, y), 2)
        (0.44, 0.01)
    """
    x, y = paired_rows(("a", "b"), a, b)
    x, y = _scaled(x), _scaled(y)
    x, y = x - x.mean(0), y - y.mean(0)
    return _ratio(_cross(x, y), _cross(x, x), _cross(y, y))


def _scaled(rows: Tensor) -> Tensor:
    """Rows whose largest number is 1: fourth powers of huge or tiny ones are not finite or 0."""
    return rows / torch.linalg.vector_norm(rows, torch.inf)


def _hsic(x: Tensor, y: Tensor) -> float:
    """HSIC_1 of centred rows; then the off-diagonal sums of a row of K are ``-K_ii``."""
    count = len(x)
    of_x, of_y = x.square().sum(1), y.square().sum(1)  # the diagonals
    both = float(of_x @ of_y)
    sums = float(of_x.sum() * of_y.sum()) / ((count - 1) * (count - 2))
    centred = _cross(x, y) - both + sums - 2 / (count - 2) * both
    return centred / (count * (count - 3))


def _cross(x: Tensor, y: Tensor) -> float:
    """``|X'Y|^2``, which is the inner product of the Gram matrices; whichever takes less."""
    count, (of_x, of_y) = len(x), (x.shape[1], y.shape[1])
    if count * (of_x + of_y) < of_x * of_y:
        return float(((x @ x.T) * (y @ y.T)).sum())
    return float((x.T @ y).square().sum())


def _ratio(both: float, of_a: float, of_b: float) -> float:
    for name, value in (("a", of_a), ("b", of_b)):
        if not value > 0:
            checks.refuse(name, "of features that differ between images within a batch", value)
    return both / math.sqrt(of_a * of_b)
