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


def arrange_jitter(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """What `jitter_in_form` needs to know of each image.

    Args:
        numbers: ``(B, 5)``, those of `ColorJitter`.

    Returns:
        The form ``(B,)`` int64, and ``(B, 7)``: brightness in each of the four gaps, contrast,
        saturation, hue.
    """
    _, forms, gaps = _tables(numbers.device)
    order = numbers[:, 4].long()
    places = torch.arange(4, device=numbers.device)
    factors = torch.where(gaps[order][:, None] == places, numbers[:, :1], 1.0)
    return forms[order], torch.cat([factors, numbers[:, 1:4]], 1)


def jitter_in_form(planes: Planes, numbers: Tensor, form: int) -> Planes:
    """`jitter` of images that are all of one form: three operators, brightness in each gap."""
    columns = numbers[:, :, None, None].unbind(1)  # each (B, 1, 1)
    planes = brightness(planes, columns[0])
    for place, position in enumerate(FORMS[form], start=1):
        planes = _OPERATORS[position](planes, columns[3 + position])
        planes = brightness(planes, columns[place])
    return planes


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
