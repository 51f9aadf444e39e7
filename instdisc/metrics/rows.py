"""States that grow by rows and are gathered over processes, once.

Gathering happens where torchmetrics does it, in `Metric.compute`; the functions of this package
never gather, so what was gathered can be given to them.

Legend: N images.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from instdisc import checks
from instdisc.checks import checked_call


class RowMetric(Metric):
    """A metric whose states are tables; a process without a single image takes part, too.

    Args:
        empty: for each state, its table without rows, which says type and width; of shape (0, 0)
            where the first rows say the width.
    """

    full_state_update = False

    def __init__(self, empty: Mapping[str, Tensor]) -> None:
        super().__init__()
        checks.instance("empty", empty, Mapping, "a mapping of tables")
        for name, table in empty.items():
            checks.instance(f"empty[{name!r}]", table, Tensor, "a tensor")
        self._empty = dict(empty)
        for name, table in empty.items():
            self.add_state(name, default=[], dist_reduce_fx="cat")
            if table.ndim > 1 and not table.shape[1]:
                # Rows of unknown width lie end to end, so that a process without any can join.
                self._empty[name] = table.flatten()
                self.add_state(f"{name}_width", torch.tensor(0), dist_reduce_fx="max")
        self.reset()

    def reset(self) -> None:
        super().reset()
        # No update is no reason for a warning: a process without images has none.
        self._update_count = 1
        # torchmetrics gathers an empty list as float32 of one dimension, which fits no table.
        for name, table in self._empty.items():
            getattr(self, name).append(table.to(self._place))

    def rows(self, name: str) -> Tensor:
        """All rows of a state; within `compute`, those of all processes."""
        table: Tensor = dim_zero_cat(getattr(self, name))
        width: Tensor | None = getattr(self, f"{name}_width", None)
        return table if width is None else table.view(-1, max(1, int(width)))

    def add_rows(self, **tables: Tensor) -> None:
        """Appends to the states, each in its own type.

        Raises:
            ValueError: if rows of a table differ in width from those before.
        """
        for name, table in tables.items():
            width: Tensor | None = getattr(self, f"{name}_width", None)
            if width is not None:
                checks.shape(name, table, ("N", int(width) or "D"))
                width.fill_(table.shape[1])
                table = table.flatten()
            getattr(self, name).append(table.detach().to(self._place, self._empty[name].dtype))
        self._computed = None  # else torchmetrics repeats what it computed before

    @property
    def _place(self) -> torch.device:
        # Where processes can gather; Apple's GPUs have neither processes nor float64.
        return torch.device("cpu") if self.device.type == "mps" else self.device


class ImageTable:
    """Columns of a test set; no mapping, since torchmetrics would make numbers of single rows.

    Args:
        columns: by name, each with N rows.
    """

    @checked_call()
    def __init__(self, columns: Mapping[str, Tensor]) -> None:
        for name, column in columns.items():
            checks.instance(f"columns[{name!r}]", column, Tensor, "a tensor")
        self._columns = dict(columns)

    def __getitem__(self, name: str) -> Tensor:
        return self._columns[name]


class ImageRows(RowMetric):
    """What is known of each image of a test set, from all processes.

    Images come in the order of the set and each of them once, however many processes saw it: a
    distributed sampler repeats images until all processes have as many.

    Args:
        empty: see `RowMetric`.

    Example:
        >>> from instdisc.metrics.rows import empty_rows
        >>> hits = ImageRows({"hits": empty_rows(None, torch.bool)})
        >>> hits.update(torch.tensor([2, 0, 2]), hits=torch.tensor([True, False, True]))
        >>> hits.compute()["hits"]
        tensor([False,  True])
    """

    @checked_call()
    def __init__(self, empty: Mapping[str, Tensor]) -> None:
        super().__init__({"indices": empty_rows(None, torch.int64), **empty})

    def update(self, indices: Tensor | None, **tables: Tensor) -> None:
        """Adds a batch.

        Args:
            indices: ``(B,)`` positions in the data set; ``None`` if they are not known, then
                every row counts.
            tables: of each state, B rows.

        Raises:
            ValueError: if the tables differ in length, or an index is negative.
        """
        count = len(next(iter(tables.values())))
        for name, table in tables.items():
            if len(table) != count:
                checks.refuse(name, f"of {count} images", table)
        self.add_rows(indices=check_indices(indices, count, self._place), **tables)

    def compute(self) -> ImageTable:
        order = image_order(self.rows("indices"))
        names = [name for name in self._empty if name != "indices"]
        return ImageTable({name: self.rows(name)[order] for name in names})


def image_order(indices: Tensor) -> Tensor:
    """Rows of the images in the order of the data set, each image once.

    Args:
        indices: ``(N,)`` positions in the data set; -1 where unknown, these rows all count and
            come last.

    Example:
        >>> image_order(torch.tensor([5, -1, 2, 5]))
        tensor([2, 0, 1])
    """
    order = indices.argsort(stable=True)
    ranked = indices[order]
    first = torch.ones_like(ranked, dtype=torch.bool)
    first[1:] = (ranked[1:] != ranked[:-1]) | (ranked[1:] < 0)
    numbered = ranked >= 0
    return torch.cat([order[first & numbered], order[~numbered]])


def check_indices(indices: Tensor | None, count: int, device: torch.device) -> Tensor:
    """``(B,)`` int64; -1 for each of `count` images where `indices` is ``None``.

    Raises:
        TypeError: if they are no whole numbers.
        ValueError: if they are not as many as the images, or one is negative.
    """
    if indices is None:
        return torch.full((count,), -1, device=device)
    checks.dtype("indices", checks.shape("indices", indices, (count,)), checks.INTEGERS)
    if len(indices) and int(indices.min()) < 0:
        checks.refuse("indices", "positions in the data set, from 0 on", int(indices.min()))
    return indices.to(device, torch.int64)


def empty_rows(width: int | None, dtype: torch.dtype) -> Tensor:
    """A table without rows; of numbers if `width` is ``None``, of any width if it is 0."""
    return torch.zeros((0,) if width is None else (0, width), dtype=dtype)
