"""What a step on the colours must be able to do, for the device and for the CPU.

Legend: B batch, H x W image size, n numbers of a step. Images are float in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .draws import Draws
from .order_argument import accept_order_argument


class PhotometricStep(ABC):
    """One step on the colours; subclass it to add your own.

    A worker calls `draw` once for a batch of views; the device calls `apply` for the batch.

    Attributes:
        num_numbers: n, how many numbers `draw` returns for each view.
        neutral: the n numbers that leave a view exactly as it is, or ``None``. On the CPU such
            views are passed over.
        compiles: whether `apply` gains by `torch.compile`, as arithmetic on the pixels does.
        num_forms: how many ways of computing there are, where views need different ones: the
            CPU takes views of one form together.
    """

    num_numbers: int
    neutral: Sequence[float] | None = None
    compiles = True
    num_forms: int = 1

    @abstractmethod
    def draw(self, draws: Draws) -> np.ndarray:
        """The random numbers of the views, ``(B, n)``; the neutral ones if the step is a chance."""

    @abstractmethod
    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Applies the step.

        Args:
            images: ``(B, 3, H, W)`` float in [0, 1].
            numbers: ``(B, n)``, row b drawn for image b.

        Returns:
            ``(B, 3, H, W)`` float in [0, 1].
        """

    # How the CPU goes about it where no loops are compiled for it.

    def arrange(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The form that each view needs, ``(B,)`` int64, and ``(B, m)`` numbers for `compute`."""
        return torch.zeros(len(numbers), dtype=torch.int64), numbers

    def compute(self, form: int, images: Tensor, arranged: Tensor) -> Tensor:
        """`apply`, to views that all need one form and none of which is to stay as it is."""
        return self.apply(images, arranged)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        classes = [vars(each) for each in cls.__mro__]
        places = [
            next(place for place, names in enumerate(classes) if name in names)
            for name in ("apply", "compute")
        ]
        if places[0] < places[1]:  # of another class, and so of another `apply`
            for name in ("num_forms", "arrange", "compute"):
                setattr(cls, name, getattr(PhotometricStep, name))
        accept_order_argument(cls)


def changed_views(step: PhotometricStep, numbers: Tensor) -> np.ndarray:
    """Which views a step changes, ``(B,)`` bool.

    Args:
        step: with the numbers that leave a view as it is, if there are any.
        numbers: ``(B, n)`` of that step.
    """
    if step.neutral is None:
        return np.ones(len(numbers), bool)
    changed: np.ndarray = (numbers.numpy() != np.array(step.neutral, np.float32)).any(1)
    return changed
