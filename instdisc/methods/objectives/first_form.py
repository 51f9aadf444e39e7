"""Objectives as they were written for release 0.1.0, for one more release."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def adapt(kind: Any) -> None:
    """Lets a subclass whose `forward` takes a list of queries and a single key go on working.

    Its ``num_queries`` and ``needs_key``, set on the class, become `queries` and `keys`.

    Args:
        kind: a subclass of `Objective`, which is changed.
    """
    forward = vars(kind).get("forward")
    if forward is None or "key" not in inspect.signature(forward).parameters:
        return
    warnings.warn(
        f"{kind.__name__}.forward(queries, key, labels) is the form of release 0.1.0: write "
        "forward(queries, keys, labels) with features by view number, and set `queries` and "
        "`keys` in place of `num_queries` and `needs_key`",
        DeprecationWarning,
        stacklevel=3,
    )
    if "num_queries" in vars(kind):
        kind.queries = tuple(range(kind.num_queries))
    if "needs_key" in vars(kind):
        kind.keys = (1,) if kind.needs_key else ()

    @functools.wraps(forward)
    def run(
        self: Any, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        first: Tensor = forward(self, [queries[n] for n in self.queries], keys.get(1), labels)
        return first

    kind.forward = run
