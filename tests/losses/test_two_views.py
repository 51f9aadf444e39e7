"""Barlow Twins and VICReg: a loop, lightly, closed forms, two processes.

Legend: B images, D width.
"""

from functools import partial

import lightly.loss
import pytest
import torch

from instdisc.losses import barlow_twins_loss, vicreg_loss
from instdisc.losses.barlow_twins import barlow_twins_terms
from instdisc.losses.two_views import column_products
from instdisc.losses.vicreg import vicreg_terms

from ..processes import run_on_processes

LOSSES = [barlow_twins_loss, vicreg_loss]
SHAPES = [(6, 16), (6, 9), (12, 5)]  # by rows, by rows for a view with itself alone, by columns


def make_views(count, width, dtype=torch.float64):
    torch.manual_seed(count)
    first = torch.randn(count, width, dtype=dtype)
    return first, 0.7 * first + 0.5 * torch.randn(count, width, dtype=dtype) + 1


def value_and_gradients(function, views):
    leaves = [view.clone().requires_grad_() for view in views]
    value = function(*leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


def barlow_twins_by_loop(first, second):
    count, width = first.shape
    total = 0.0
    for i in range(width):
        for j in range(width):
            a, b = first[:, i], second[:, j]
            a = (a - a.mean()) / (a.var(correction=0) + 1e-5).sqrt()
            b = (b - b.mean()) / (b.var(correction=0) + 1e-5).sqrt()
            correlation = (a * b).sum() / count
            total = total + ((1 - correlation) ** 2 if i == j else 0.0051 * correlation**2)
    return total


def vicreg_by_loop(first, second):
    count, width = first.shape
    total = 25 * (first - second).square().sum() / (count * width)
    for view in (first, second):
        for i in range(width):
            total = total + 12.5 * (1 - (view[:, i].var() + 1e-4).sqrt()).clamp(min=0) / width
            for j in set(range(width)) - {i}:
                a, b = view[:, i] - view[:, i].mean(), view[:, j] - view[:, j].mean()
                total = total + ((a * b).sum() / (count - 1)) ** 2 / width
    return total


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("loss", "loop", "other"),
    [
        (barlow_twins_loss, barlow_twins_by_loop, lightly.loss.BarlowTwinsLoss(0.0051)),
        (vicreg_loss, vicreg_by_loop, lightly.loss.VICRegLoss()),
    ],
)
def test_equals_a_loop_and_lightly(loss, loop, other, shape):
    views = make_views(*shape)
    result = value_and_gradients(loss, views)
    torch.testing.assert_close(result, value_and_gradients(loop, views))
    torch.testing.assert_close(result, value_and_gradients(other, views))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_float32_under_autocast(loss, shape):
    views = make_views(*shape)
    expected = value_and_gradients(loss, views)
    leaves = [view.float().requires_grad_() for view in views]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(*leaves)
    assert value.dtype == torch.float32
    gradients = torch.autograd.grad(value, leaves)
    result = value.detach().double(), tuple(gradient.double() for gradient in gradients)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)


def test_half_precision_is_widened_first():
    views = [300 * view.half() for view in make_views(8, 4)]  # products beyond 65504
    assert vicreg_loss(*views).isfinite()


@pytest.mark.parametrize("shape", SHAPES)
def test_barlow_twins_of_identical_views(shape):
    view = make_views(*shape)[0]
    variance = view.var(0, correction=0)
    terms = barlow_twins_terms(view, view)
    expected = (1 - variance / (variance + 1e-5)).square().sum()  # 1 but for eps
    torch.testing.assert_close(terms.invariance, expected)
    assert terms.invariance < 1e-8
    scaled = barlow_twins_terms(view, 5 * view - 3)
    torch.testing.assert_close(scaled, terms, rtol=1e-3, atol=1e-8)


def test_vicreg_of_identical_views():
    view = make_views(6, 4)[0]
    terms = vicreg_terms(view, view)
    assert terms.invariance == 0
    collapsed = vicreg_terms(torch.ones(6, 4), torch.zeros(6, 4))
    torch.testing.assert_close(collapsed, type(terms)(*map(torch.tensor, (1.0, 0.99, 0.0))))


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_column_products(shape, same):
    first, second = make_views(*shape)
    second = first if same else second
    products = first.T @ second
    diagonal, squares = column_products(first, second)
    torch.testing.assert_close(diagonal, products.diagonal())
    torch.testing.assert_close(squares, (products - products.diagonal().diag()).square().sum())


def _on_a_process(rank, views):
    halves = [view.chunk(2)[rank] for view in views]
    return [value_and_gradients(loss, halves) for loss in LOSSES]


@pytest.mark.parametrize("shape", [(6, 16), (12, 5)])
def test_two_processes_equal_one(tmp_path, shape):
    """The value on each; of the gradients the mean, which DDP takes, is the true one."""
    views = make_views(*shape)
    results = run_on_processes(partial(_on_a_process, views=views), tmp_path)
    for loss, *ranks in zip(LOSSES, *results, strict=True):
        value, gradients = value_and_gradients(loss, views)
        for other, _ in ranks:
            torch.testing.assert_close(other, value)
        halves = zip(*(of_rank for _, of_rank in ranks), strict=True)
        for parts, gradient in zip(halves, gradients, strict=True):
            torch.testing.assert_close(torch.cat(parts) / 2, gradient)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"first": torch.ones(4, 2).long()}, TypeError, "`first` must be of"),
        ({"second": torch.ones(4, 2, 1)}, ValueError, r"`second` must be a tensor \(B, D\)"),
        ({"second": torch.ones(3, 2)}, ValueError, r"`second` must be \(4, 2\) like `first`"),
        (
            {"first": torch.ones(1, 2), "second": torch.ones(1, 2)},
            ValueError,
            "`first` must be of at least 2 rows",
        ),
    ],
)
def test_bad_input(loss, change, error, message):
    with pytest.raises(error, match=message):
        loss(**{"first": torch.ones(4, 2), "second": torch.ones(4, 2), **change})


def test_bad_weights():
    with pytest.raises(ValueError, match="`redundancy_weight` must be a finite number of at least"):
        barlow_twins_loss(torch.ones(4, 2), torch.ones(4, 2), redundancy_weight=-1)
    with pytest.raises(ValueError, match="`variance_weight` must be a finite number of at least"):
        vicreg_loss(torch.ones(4, 2), torch.ones(4, 2), variance_weight=float("nan"))
