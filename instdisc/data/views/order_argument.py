"""Support for photometric steps of release 0.2, whose `apply` takes an argument `order`."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any


def accept_order_argument(cls: Any) -> None:
    """Lets a step whose `apply` takes a third argument, `order`, go without, for one release.

    Args:
        cls: a subclass of `PhotometricStep`, as it is defined; it warns then.
    """
    apply = vars(cls).get("apply")
    if not inspect.isfunction(apply) or not _takes_order(apply):
        return
    warnings.warn(
        f"`{cls.__name__}.apply` takes a third argument, `order`, which is gone: the order of a "
        "jitter is each image's, the last of the numbers of `ColorJitter`. It gets 0 instead, for "
        "this release. Remove the argument: `apply(self, images, numbers)`, likewise in "
        "`super().apply(images, numbers)`",
        FutureWarning,
        stacklevel=4,  # where the class is defined: above here, `PhotometricStep` and `ABCMeta`
    )

    @functools.wraps(apply)
    def apply_without(self: Any, images: Any, numbers: Any, order: Any = 0) -> Any:
        return apply(self, images, numbers, order)  # a subclass may hand it on

    cls.apply = apply_without


def _takes_order(apply: Any) -> bool:
    parameters = inspect.signature(apply).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in positional and p.default is p.empty]
    return len(needed) == len(("self", "images", "numbers", "order"))
