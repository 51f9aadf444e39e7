"""States that grow by rows and are gathered over processes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class RowMetric(Metric):
    """A metric whose states are tables; a process without a single image takes part, too.

    Args:
        empty: for each state, its table without rows, which says type and width.
    """

    full_state_update = False

    def __init__(self, empty: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._empty = dict(empty)
        for name in empty:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self.reset()

    def reset(self) -> None:
        super().reset()
        # torchmetrics gathers an empty list as float32 of one dimension, which fits no table.
        for name, table in self._empty.items():
            getattr(self, name).append(table.to(self._place))

    def rows(self, name: str) -> Tensor:
        """All rows of a state, on the CPU."""
        found = getattr(self, name)
        table: Tensor = dim_zero_cat(found)
        return table.cpu()

    def add_rows(self, **tables: Tensor) -> None:
        """Appends to the states, each in its own type."""
        for name, table in tables.items():
            empty = self._empty[name]
            getattr(self, name).append(table.detach().to(self._place, empty.dtype))

    @property
    def _place(self) -> torch.device:
        # Where processes can gather; Apple's GPUs have neither processes nor float64.
        return torch.device("cpu") if self.device.type == "mps" else self.device


def check_pairs(num_found: int, num_true: int, num_indices: int) -> None:
    """Refuses lists that do not belong together.

    Raises:
        ValueError: if the lengths differ.
    """
    if not num_found == num_true == num_indices:
        raise ValueError(
            "`detections`, `objects` and `indices` must be of the same images, got "
            f"{num_found}, {num_true} and {num_indices}"
        )


def check_classes(labels: Tensor, num_classes: int, name: str) -> None:
    """Refuses labels that are no classes.

    Raises:
        ValueError: if a label lies outside [0, C).
    """
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < num_classes):
        raise ValueError(
            f"the labels of `{name}` must lie in [0, {num_classes}), got "
            f"{int(labels.min())} to {int(labels.max())}. The background has no label."
        )


def check_num_classes(num_classes: int) -> None:
    """Refuses a number of classes that is not positive.

    Raises:
        ValueError: if it is not.
    """
    if num_classes < 1:
        raise ValueError(f"`num_classes` must be positive, got {num_classes}")


def empty_rows(width: int | None, dtype: torch.dtype) -> Tensor:
    """A table without rows; of numbers if `width` is ``None``."""
    return torch.zeros((0,) if width is None else (0, width), dtype=dtype)
