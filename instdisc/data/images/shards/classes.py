"""The classes of the labels in several shards.

Legend: n images of a shard.
"""

from __future__ import annotations

import numpy as np

from instdisc.types import UNKNOWN_LABEL

from .samples import Samples

_MOST_NUMBERED = 1_000_000  # classes that nobody named


class ClassNames:
    """Gathers the labels of a set, shard by shard, and then numbers them.

    Args:
        classes: the names in their order; ``None`` for those that occur: names sorted, and of
            numbers ``"0"`` to that of the largest.
        whose: the set, for messages.

    Attributes:
        named: whether the labels are names; else they are numbers already.
    """

    def __init__(self, classes: list[str] | None, whose: object) -> None:
        self.classes = classes
        self.whose = whose
        self.named = False
        self._largest = UNKNOWN_LABEL
        self._seen: set[str] = set()
        self._numbers = ""  # the first shard with such
        self._names = ""
        self._largest_in = ""

    def add(self, shard: str, samples: Samples) -> None:
        """Sees the labels of a shard."""
        used = np.unique(samples.labels[samples.labels >= 0]).tolist()
        if used and samples.names is None:
            self._numbers = self._numbers or shard
            if used[-1] > self._largest:
                self._largest, self._largest_in = used[-1], shard
        elif used and samples.names is not None:
            self._names = self._names or shard
            self._seen.update(samples.names[label] for label in used)

    def finish(self) -> list[str]:
        """The names of the classes.

        Raises:
            ValueError: if some labels are numbers and others names, or do not fit the classes.
        """
        if self._numbers and self._names:
            raise ValueError(
                f"the labels of {self.whose} must be all whole numbers or all names, got numbers "
                f"in {self._numbers} and names in {self._names}"
            )
        self.named = bool(self._names)
        if self.classes is None:
            if self._largest >= _MOST_NUMBERED:
                raise ValueError(
                    f"the labels of {self.whose} must be numbers of classes, below "
                    f"{_MOST_NUMBERED:,} where `classes` does not name them, got {self._largest} "
                    f"in {self._largest_in}. label=None reads no labels."
                )
            numbered = [str(number) for number in range(self._largest + 1)]
            self.classes = _sorted(self._seen) if self.named else numbered
        elif self._largest >= len(self.classes):
            raise ValueError(
                f"the labels of {self.whose} must be below {len(self.classes)}, the number of "
                f"`classes`, got {self._largest} in {self._largest_in}"
            )
        elif unknown := sorted(self._seen.difference(self.classes)):
            raise ValueError(
                f"the labels of {self.whose} must be among the {len(self.classes)} `classes`, got "
                f"{unknown[0]!r}"
            )
        elif self.named and len(set(self.classes)) < len(self.classes):
            raise ValueError(f"`classes` must be different names, got {self.classes}")
        return self.classes

    def number(self, samples: Samples) -> np.ndarray:
        """``(n,)`` int64 numbers of the classes of a shard's images."""
        if not self.named:
            return samples.labels if samples.names is None else _unknown(samples)
        assert self.classes is not None
        places = {name: number for number, name in enumerate(self.classes)}
        numbers = [places.get(name, UNKNOWN_LABEL) for name in samples.names or ()]
        # The last stands for no label, which is -1.
        return np.array([*numbers, UNKNOWN_LABEL], np.int64)[samples.labels]


def _unknown(samples: Samples) -> np.ndarray:
    return np.full(len(samples.labels), UNKNOWN_LABEL, np.int64)


def _sorted(names: set[str]) -> list[str]:
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
