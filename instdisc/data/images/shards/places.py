"""Where the shards of a set lie: what an index and its readers need of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..text import read_lines
from .opened import OpenShards
from .parallel import map_files
from .samples import Rules, Samples, read_samples
from .stamps import Stamp, stamp_of

if TYPE_CHECKING:
    from .index_file import ShardIndex, Wanted

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Place(ABC):
    """Shards with one root, by their names below it.

    Attributes:
        root: has a ``name``; ``root / name`` is what messages call a shard.
    """

    root: Any

    @abstractmethod
    def stamps(self, names: Sequence[str]) -> list[Stamp]:
        """Of each shard size and what changes when it does.

        Raises:
            FileNotFoundError: if one is not there.
        """

    @abstractmethod
    def samples(self, name: str, stamp: Stamp, rules: Rules, *, keys: bool = False) -> Samples:
        """What lies in a shard, see `read_samples`."""

    @abstractmethod
    def map(
        self, function: Callable[[_Item], _Result], items: Sequence[_Item], num_bytes: int
    ) -> Iterator[_Result]:
        """A function of each of some shards, in order, several at once where that pays."""

    @abstractmethod
    def lines(self, name: str) -> list[str] | None:
        """The lines of a text beside the shards; ``None`` if there is none."""

    @abstractmethod
    def opened(self, names: list[str], stamps: list[Stamp]) -> OpenShards:
        """What reads bytes of the shards."""

    def index_beside(self, wanted: Wanted) -> tuple[list[str], ShardIndex] | None:
        """Shards and index of a file that lies beside them; ``None`` if there is none of use."""
        return None


class LocalPlace(Place):
    """A folder of this machine.

    Args:
        root: the folder, absolute.
    """

    root: Path

    def __init__(self, root: Path) -> None:
        self.root = root

    def stamps(self, names: Sequence[str]) -> list[Stamp]:
        return [stamp_of(self.root / name) for name in names]

    def samples(self, name: str, stamp: Stamp, rules: Rules, *, keys: bool = False) -> Samples:
        return read_samples(self.root / name, rules, keys=keys)

    def map(
        self, function: Callable[[_Item], _Result], items: Sequence[_Item], num_bytes: int
    ) -> Iterator[_Result]:
        return map_files(function, items, num_bytes)

    def lines(self, name: str) -> list[str] | None:
        file = self.root / name
        return [text for _, text in read_lines(file)] if file.is_file() else None

    def opened(self, names: list[str], stamps: list[Stamp]) -> OpenShards:
        return OpenShards(self.root, names, stamps)
