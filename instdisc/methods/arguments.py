"""What the arguments that methods share must be."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from instdisc.checks import arguments, not_negative, positive, share, whole, within

_fraction = within(at_least=0, below=1)

_RULES: dict[str, Callable[[str, Any], Any]] = {
    "num_classes": functools.partial(whole, at_least=2),
    "temperature": positive,
    "student_temperature": positive,
    "teacher_temperature": positive,
    "final_teacher_temperature": positive,
    "teacher_warmup": share,
    "center_momentum": _fraction,
    "freeze_prototypes": share,
    "clip": positive,
    "num_views": functools.partial(whole, at_least=2),
    "num_prototypes": functools.partial(whole, at_least=2),
    "hidden_dim": whole,
    "bottleneck_dim": whole,
    "projector_layers": whole,
    "num_images": functools.partial(whole, at_least=2),
    "num_negatives": whole,
    "projection_dim": whole,
    "predictor_dim": whole,
    "redundancy_weight": not_negative,
    "bias_rate": not_negative,
    "invariance_weight": not_negative,
    "variance_weight": not_negative,
    "covariance_weight": not_negative,
    "queue_size": whole,
    "momentum": _fraction,
    "bank_momentum": _fraction,
    "final_momentum": within(at_least=0, at_most=1),
    "final_temperature": positive,
    "weight": not_negative,
    "contrast_weight": not_negative,
    "supcon_weight": not_negative,
    "learning_rate": positive,
    "weight_decay": not_negative,
    "final_weight_decay": not_negative,
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


def run_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a method hands on to `PretrainModule` as it was given.

    Args:
        values: ``locals()`` of its constructor.

    Returns:
        Those under the names of `PretrainModule`'s keyword arguments.

    Example:
        >>> run_arguments({"learning_rate": 0.1, "queue_size": 8})
        {'learning_rate': 0.1}
    """
    from .pretrain import PretrainModule  # which checks its arguments by this file

    parameters = inspect.signature(PretrainModule.__init__).parameters.values()
    names = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    return {name: values[name] for name in names if name in values}
