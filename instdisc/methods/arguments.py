"""What the arguments that methods share must be."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from instdisc.checks import arguments, not_negative, positive, whole, within

_fraction = within(at_least=0, below=1)

_RULES: dict[str, Callable[[str, Any], Any]] = {
    "num_classes": functools.partial(whole, at_least=2),
    "temperature": positive,
    "projection_dim": whole,
    "queue_size": whole,
    "momentum": _fraction,
    "weight": not_negative,
    "contrast_weight": not_negative,
    "supcon_weight": not_negative,
    "learning_rate": positive,
    "weight_decay": not_negative,
    "sgd_momentum": _fraction,
    "reference_batch": whole,
    "batch_norm_groups": whole,
}


def check_arguments(function: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Refuses what a method cannot be made with, under the names of its constructor.

    For the first line of a constructor: the parts that it makes call some things otherwise.

    Args:
        function: e.g. ``MoCoModule.__init__``.
        values: ``locals()`` there.

    Raises:
        TypeError, ValueError: see `instdisc.checks.arguments`.

    Example:
        >>> class Method:
        ...     def __init__(self, queue_size: int = 8) -> None:
        ...         check_arguments(Method.__init__, locals())
        >>> Method(queue_size=0)
        Traceback (most recent call last):
        ValueError: `queue_size` must be a whole number of at least 1, got 0
    """
    names = inspect.signature(function).parameters
    rules = {name: rule for name, rule in _RULES.items() if name in names}
    arguments(function, values, **rules)
