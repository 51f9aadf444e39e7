"""The operators of the colour jitter in each image's own order.

Legend: B batch, H x W image size, O = 24 orders, F = 6 forms.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import torch
from torch import Tensor

from .operators import Planes, brightness, contrast, hue, saturation

_OPERATORS = (brightness, contrast, saturation, hue)
_NEUTRAL = (1.0, 1.0, 1.0, 0.0)
# 0 brightness, 1 contrast, 2 saturation, 3 hue: which comes first, second, third and last.
JITTER_ORDERS = tuple(permutations(range(4)))
# The orders of the three others, brightness left out: it is cheap enough to stand in every gap
# with a factor of 1 in all but one, which makes four orders one form.
FORMS = tuple(permutations((1, 2, 3)))
_FORM_OF_ORDER = tuple(FORMS.index(tuple(p for p in order if p)) for order in JITTER_ORDERS)
_GAP_OF_ORDER = tuple(order.index(0) for order in JITTER_ORDERS)


def jitter(planes: Planes, numbers: Tensor) -> Planes:
    """Applies the operators without looking at the numbers, for a device that must not wait.

    Args:
        planes: three ``(B, H, W)``.
        numbers: ``(B, 5)``, those of `ColorJitter`.
    """
    orders, _, _ = _tables(numbers.device)
    for at_place in orders.index_select(0, numbers[:, 4].long()).unbind(1):  # each (B,)
        for position, operator in enumerate(_OPERATORS):
            here = at_place == position
            number = torch.where(here, numbers[:, position], _NEUTRAL[position])
            planes = operator(planes, number[:, None, None])
    return planes


def jitter_in_form(planes: Planes, numbers: Tensor, form: int) -> Planes:
    """`jitter` of images that are all of one form: one operator each, brightness four times."""
    _, _, gaps = _tables(numbers.device)
    gap = gaps.index_select(0, numbers[:, 4].long())  # (B,)
    for place in range(len(JITTER_ORDERS[0])):
        factor = torch.where(gap == place, numbers[:, 0], 1.0)
        planes = brightness(planes, factor[:, None, None])
        if place < len(FORMS[form]):
            position = FORMS[form][place]
            planes = _OPERATORS[position](planes, numbers[:, position, None, None])
    return planes


def jitter_forms(numbers: Tensor) -> Tensor:
    """The form of each image, ``(B,)`` int64, by the numbers ``(B, 5)`` of `ColorJitter`."""
    _, forms, _ = _tables(numbers.device)
    return forms.index_select(0, numbers[:, 4].long())


@torch.compiler.disable  # torch would trace the cache's function anew, and warn of it
def _tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    return _tables_on(device)


@lru_cache  # brought to the device once: a copy would make it wait
def _tables_on(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Of each order: its operators ``(O, 4)``, form ``(O,)``, gap of the brightness ``(O,)``."""
    orders, forms, gaps = (
        torch.tensor(table, device=device)
        for table in (JITTER_ORDERS, _FORM_OF_ORDER, _GAP_OF_ORDER)
    )
    return orders, forms, gaps
