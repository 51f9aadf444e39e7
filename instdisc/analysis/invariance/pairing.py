"""Factors of the images to fit and to test, checked, as targets of a regression.

Legend: N images to fit, M to test, K columns of a factor, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.data.left_out import say_left_out

from ..inputs import FEWEST

Factors = Mapping[str, Tensor]


class PairedFactor(NamedTuple):
    """A factor of those images that have it.

    Attributes:
        name: of the factor.
        of_train: ``(N',)`` int64 positions of the images to fit that have it.
        targets: ``(N', K)`` float64; of classes ``(N', C)``, -1 and 1.
        of_test: ``(M',)`` int64 positions of the images to test that have it.
        truth: ``(M', K)`` float64; of classes ``(M',)`` int64 columns of `targets`, -1 for a class
            that none of the images to fit has.
        is_class: whether it is a class.
        chance: score without information.
    """

    name: str
    of_train: Tensor
    targets: Tensor
    of_test: Tensor
    truth: Tensor
    is_class: bool
    chance: float


def pair_factors(
    train: Factors, num_train: int, test: Factors, num_test: int
) -> list[PairedFactor]:
    """The factors that differ between images, to fit and to test; the others are logged once.

    Args:
        train: by name, see `factor_probes`.
        num_train: N.
        test: likewise.
        num_test: M.

    Raises:
        TypeError: if a factor is of another kind.
        ValueError: if the names or shapes of both differ, or no factor is left.

    Example:
        >>> pair, = pair_factors({"x": torch.arange(4.0)}, 4, {"x": torch.arange(5.0)}, 5)
        >>> pair.targets.shape, pair.truth.shape, pair.is_class
        (torch.Size([4, 1]), torch.Size([5, 1]), False)
    """
    for name, factors in (("train_factors", train), ("test_factors", test)):
        checks.instance(name, factors, Mapping, "a mapping of names to tensors")
    if set(train) != set(test) or not train:
        rule = f"the factors of `train_factors`, {sorted(train)}, at least one"
        checks.refuse("test_factors", rule, sorted(test))
    for name in train:
        _check(name, train[name], num_train, test[name], num_test)
    pairs = {name: _pair(name, train[name].cpu(), test[name].cpu()) for name in train}
    same = [name for name, pair in pairs.items() if pair is None]
    say_left_out(
        range(len(same)),
        "%d factors are the same in all images, or known in fewer than 4, and left out, first: ",
        lambda row: same[row],
    )
    if len(same) == len(pairs):
        checks.refuse("train_factors", "different between images, in `test_factors` too", same)
    return [pair for pair in pairs.values() if pair is not None]


def _check(name: str, train: Tensor, num_train: int, test: Tensor, num_test: int) -> None:
    called = f"train_factors[{name!r}]", f"test_factors[{name!r}]"
    for argument, values, count in zip(called, (train, test), (num_train, num_test), strict=True):
        checks.dtype(argument, values, (*checks.FLOATS, torch.int64))
        is_table = values.ndim == 2 and values.is_floating_point()
        checks.shape(argument, values, (count, "K") if is_table else (count,))
    if train.is_floating_point() != test.is_floating_point() or train.shape[1:] != test.shape[1:]:
        checks.refuse(called[1], f"like `{called[0]}` {tuple(train.shape)} {train.dtype}", test)


def _pair(name: str, train: Tensor, test: Tensor) -> PairedFactor | None:
    is_class = not train.is_floating_point()
    train, test = train.reshape(len(train), -1), test.reshape(len(test), -1)
    of_train, of_test = (
        (rows >= 0 if is_class else rows.isfinite()).all(1).nonzero()[:, 0]
        for rows in (train, test)
    )
    train, test = train[of_train], test[of_test]
    if min(len(train), len(test)) < FEWEST or any(
        bool((rows == rows[0]).all(0).any()) for rows in (train, test)
    ):
        return None
    if not is_class:
        return PairedFactor(name, of_train, train.double(), of_test, test.double(), False, 0.0)
    classes, numbers = train[:, 0].unique(return_inverse=True)
    targets = torch.full((len(train), len(classes)), -1.0, dtype=torch.float64)
    targets[torch.arange(len(train)), numbers] = 1
    places = torch.searchsorted(classes, test[:, 0].contiguous()).clamp(max=len(classes) - 1)
    truth = torch.where(classes[places] == test[:, 0], places, -1)
    chance = float((truth == numbers.bincount().argmax()).double().mean())
    return PairedFactor(name, of_train, targets, of_test, truth, True, chance)
