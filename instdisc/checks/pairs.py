"""Tensors that belong together."""

from __future__ import annotations

from torch import Tensor

from .form import refuse


def same_shape(name: str, value: Tensor, other_name: str, other: Tensor) -> Tensor:
    """A tensor of the shape of another argument, which may be the wrong one of the two.

    Args:
        name: of the argument.
        value: the tensor.
        other_name: of the other.
        other: the other tensor.

    Raises:
        TypeError: if it is no tensor.
        ValueError: if the shapes differ.

    Example:
        >>> import torch
        >>> same_shape("predictions", torch.zeros(2), "labels", torch.zeros(3))
        Traceback (most recent call last):
        ValueError: `predictions` must be a tensor (3,) like `labels`, got (2,) torch.float32
    """
    rule = f"a tensor {tuple(other.shape)} like `{other_name}`"
    if not isinstance(value, Tensor):
        refuse(name, rule, value, kind=TypeError)
    if value.shape != other.shape:
        refuse(name, rule, value)
    return value


def same_length(name: str, value: Tensor, other_name: str, other: Tensor) -> Tensor:
    """As many rows as another argument has, which may be the wrong one of the two.

    Raises:
        TypeError: if it is no tensor.
        ValueError: if the numbers of rows differ.

    Example:
        >>> import torch
        >>> same_length("labels", torch.zeros(2), "features", torch.zeros(3, 8))
        Traceback (most recent call last):
        ValueError: `labels` must be a tensor of 3 rows like `features`, got (2,) torch.float32
    """
    count = other.shape[0] if other.ndim else 0
    rule = f"a tensor of {count} rows like `{other_name}`"
    if not isinstance(value, Tensor):
        refuse(name, rule, value, kind=TypeError)
    if not value.ndim or len(value) != count:
        refuse(name, rule, value)
    return value
