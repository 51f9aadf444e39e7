"""What a loss is called with: features, labels, a bank.

Each step of a training passes here: these look at types and shapes alone, wait for nothing, and put
together a message only for what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc.checks import FLOATS, INTEGERS, dtype, refuse, shape
from instdisc.types import Bank


def check_inputs(query: Tensor, key: Tensor | None, bank: Bank, labels: Tensor) -> None:
    """The arguments of `ContrastiveLoss.forward`, which says what it refuses."""
    check_features("query", query)
    if key is not None:
        check_features("key", key)
        if key.shape != query.shape:
            rule = f"{tuple(query.shape)} like `query`"
            refuse("key", rule, key, "The key in row i is that of the query in row i.")
    if not isinstance(bank, Bank):
        refuse("bank", "a Bank", bank, "Write Bank(features, labels).", kind=TypeError)
    check_features("bank.features", bank.features)
    if bank.features.shape[1] != query.shape[1]:
        refuse("bank.features", f"(K, {query.shape[1]}) as wide as `query`", bank.features)
    check_labels("bank.labels", bank.labels)
    if len(bank.labels) != len(bank.features):
        refuse("bank.labels", f"({len(bank.features)},), a label for each key", bank.labels)
    check_labels("labels", labels)
    if len(labels) != len(query):
        refuse("labels", f"({len(query)},), a label for each query", labels)
    if len(query) == 0:
        refuse("query", "of at least 1 row", query)


def check_views(features: Sequence[Tensor], labels: Tensor) -> None:
    """The arguments of `contrast_in_batch`, which says what it refuses."""
    if not isinstance(features, Sequence):
        refuse("features", "a sequence of tensors, one for each view", features, kind=TypeError)
    if len(features) < 2:
        refuse("features", "of at least 2 views", features)
    for number, view in enumerate(features):
        check_features(f"features[{number}]", view)
        if view.shape != features[0].shape:
            rule = f"{tuple(features[0].shape)} like `features[0]`"
            refuse(f"features[{number}]", rule, view, "Row i of each view is of image i.")
    check_labels("labels", labels)
    if len(labels) != len(features[0]):
        refuse("labels", f"({len(features[0])},), a label for each image", labels)
    if len(labels) == 0:
        refuse("features", "of at least 1 row", features[0])


def check_features(name: str, value: Tensor) -> None:
    """A float tensor of rows."""
    if not isinstance(value, Tensor) or value.dtype not in FLOATS:
        dtype(name, value, FLOATS)
    if value.ndim != 2:
        shape(name, value, ("B", "D"))


def check_labels(name: str, value: Tensor) -> None:
    """Whole numbers in one dimension."""
    if not isinstance(value, Tensor) or value.dtype not in INTEGERS:
        dtype(name, value, INTEGERS, remedy="Give each class a number; -1 where it is unknown.")
    if value.ndim != 1:
        shape(name, value, ("B",))


def at_least_float32(tensor: Tensor) -> Tensor:
    """In float32, or float64 as it is: the precision of similarities and softmax."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
