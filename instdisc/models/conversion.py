"""Tensors that keep their type when the module around them is converted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Convert = Callable[[Tensor], Tensor]


def keeping(convert: Convert, keep: Callable[[torch.dtype, torch.dtype], torch.dtype]) -> Convert:
    """What a module does to its tensors (``nn.Module._apply``), but for the types of fractions.

    Device and memory format follow `convert`; no value is rounded on the way to another type.

    Args:
        convert: what ``module.to``, ``.half()``, ``.cuda()`` and so on do to a tensor.
        keep: says by the dtype of a tensor and the one it would have which it shall have.

    Example:
        >>> third = torch.ones(()) / 3
        >>> keeping(lambda tensor: tensor.bfloat16(), lambda before, after: before)(third)
        tensor(0.3333)
    """

    def apply(tensor: Tensor) -> Tensor:
        converted = convert(tensor)
        if not tensor.is_floating_point():
            return converted
        dtype = keep(tensor.dtype, converted.dtype)
        if converted.dtype == dtype:
            return converted
        if converted.device == tensor.device and converted.stride() == tensor.stride():
            return tensor.to(dtype)  # itself, where nothing else is asked for
        return torch.empty_like(converted, dtype=dtype).copy_(tensor)

    return apply
