"""Images in tar files of an object store, or of any other place that `fsspec` reads.

Legend: N images, S shards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from instdisc import checks

from ...left_out import say_once
from ..ahead import ReadAhead
from ..order import EpochOrder, draw_by_shards
from ..remembered import cache_folder
from ..shards.samples import Rules
from ..shards.source import ImageShards, check_label
from .finding import find_stored
from .place import CopiedShards
from .room import Room, read_size
from .store import Store


class StreamedShards(ImageShards):
    """Images and labels in tar files that lie elsewhere; copies of some shards are on this machine.

    A shard is copied whole when an image of it is first needed, into a folder with a limit that all
    processes of the machine share; the shards that come next are fetched by threads. A random order
    over all images would fetch a shard for each of them, so that of an epoch goes from shards to
    shards (`epoch_order`): it depends on seed and epoch alone, and each image comes once.

    The index is read from ``index.shards`` beside the shards if there is one, as `write_shards` and
    `ImageShards.write_index` make it; else it is made of the shards themselves, each of which is
    copied once for that.

    Credentials come from where the store's package looks for them: environment, files, the machine.
    No message shows those in an address.

    Args:
        shards: the address of a folder, as ``s3://bucket/train``, ``gs://``, ``hf://``,
            ``https://`` or ``file:///``; a pattern, ``s3://bucket/train-{0000..0146}.tar``; or a
            list of addresses.
        label: see `ImageShards`, and so the next five.
        classes: the names of the classes.
        image: the ending of the files with images.
        name: for records and messages.
        on_unreadable: what to do with an image that cannot be decoded; a shard that cannot be
            copied is an error always.
        index: where the index is kept for the next run.
        copies: folder for the copies, on a fast disk; other sets may share it. ``None`` for this
            user's cache folder.
        room: at most so much lies there, in bytes, or ``"50 GB"``. It should hold `window` +
            `ahead` shards.
        window: shards that the images of an epoch's batch come from, in all processes together.
        lanes: disjoint parts of an epoch's order. Where the number of processes divides it, each
            process reads shards of its own.
        ahead: shards that each process fetches before they are needed.
        storage_options: of fsspec's file system, by name.
        tries: how often a read is tried before it is an error.
        pause: seconds before the second try; twice as long before each that follows.

    Raises:
        FileNotFoundError: if a shard is not there.
        ImportError: if the package of the store is not installed; names it.
        ConnectionError: if the store cannot be read.
        ValueError: as `ImageShards`, and if `room` does not hold the largest shard, the store does
            not tell the size of a file, or a path of this machine is given.
        RuntimeError: while reading, if a shard has changed since its index was read.

    Example:
        >>> import tempfile
        >>> from instdisc.data import Scenes, write_shards
        >>> folder = write_shards(Scenes(6, image_size=32), tempfile.mkdtemp(), index=False).root
        >>> images = StreamedShards(f"file://{folder}", index=False, copies=tempfile.mkdtemp())
        >>> len(images), images.shards, images.read(3).shape
        (6, ['000000.tar'], torch.Size([3, 32, 32]))
    """

    _opened: CopiedShards

    def __init__(
        self,
        shards: str | Path | Sequence[str | Path],
        *,
        label: str | None = "cls",
        classes: Sequence[str] | None = None,
        image: str | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
        index: str | Path | bool = True,
        copies: str | Path | None = None,
        room: int | float | str = "50 GB",
        window: int = 32,
        lanes: int = 8,
        ahead: int = 4,
        storage_options: Mapping[str, Any] | None = None,
        tries: int = 5,
        pause: float = 1.0,
    ) -> None:
        checks.arguments(
            StreamedShards.__init__,
            locals(),
            window=checks.whole,
            lanes=checks.whole,
            ahead=checks.count,
            tries=checks.whole,
            pause=checks.not_negative,
        )
        check_label(label)
        folder = _copies_folder() if copies is None else Path(copies)
        store = Store(storage_options, tries=tries, pause=pause)
        kept = Room(folder, read_size("room", room))
        self.on_unreadable = on_unreadable
        self.window, self.lanes, self.ahead = window, lanes, ahead
        try:
            place, names, listed = find_stored(shards, store, kept)
            self._find(place, names, listed, Rules(label, image), classes, name, index)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"`shards` must be files in a store, and {error}") from None
        sizes = sorted((size for size, _ in self._index.stamps), reverse=True)
        needed = sum(sizes[: max(window, lanes) + ahead])
        if needed > place.room.limit:
            say_once(
                f"`room` for copies of shards is {place.room.limit / 1e9:.3g} GB, and the images "
                f"of {self.root} are mixed from shards of {needed / 1e9:.3g} GB: some are copied "
                "several times in an epoch. Make it larger, or `window` smaller."
            )

    def epoch_order(self, seed: int, positions: Tensor | None = None) -> EpochOrder:
        """A random order that needs few shards at a time; see `draw_by_shards`."""
        if positions is None:
            return self._draw(np.diff(self._index.ends), seed)
        shards = self._shards_of(positions)
        counts = np.bincount(shards, minlength=len(self.shards))
        order = self._draw(counts, seed)
        if (shards[1:] >= shards[:-1]).all():
            return order
        sorted_rows = torch.from_numpy(np.argsort(shards, kind="stable"))
        return order._replace(rows=sorted_rows[order.rows.long()].to(order.rows.dtype))

    def read_ahead(self, batches: Iterator[Tensor]) -> ReadAhead:
        parts = (np.unique(self._shards_of(rows)).tolist() for rows in batches)
        return ReadAhead(parts, self._opened.fetch, self.ahead, keep=self._opened.keep)

    def _draw(self, counts: np.ndarray, seed: int) -> EpochOrder:
        return draw_by_shards(counts, seed=seed, window=self.window, lanes=self.lanes)

    def _shards_of(self, positions: Tensor) -> np.ndarray:
        return np.searchsorted(self._ends, positions.numpy(), "right")

    @property
    def _ends(self) -> np.ndarray:
        return np.asarray(self._index.ends[1:])


def _copies_folder() -> Path:
    folder = cache_folder()
    if folder is None:
        checks.refuse("copies", "a folder where there is no home folder", None)
    return folder / "shards"
