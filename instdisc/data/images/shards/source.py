"""Images in tar files, read where they lie.

Legend: N images, S shards.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from instdisc import checks

from ..contents import KEY_BYTES, LARGE, Keys, as_keys
from ..decoding import decode_bytes
from ..remembered import cache_folder
from ..source import ImageSource
from .finding import find_shards
from .index import find_index, open_index
from .index_file import INDEX_BESIDE, ShardIndex, Wanted, write_beside
from .left_out import say_left_out
from .members import BLOCK
from .places import LocalPlace, Place
from .samples import Rules
from .stamps import Stamp

CLASSES = "classes.txt"  # beside the shards


class ImageShards(ImageSource):
    """Images and labels in tar files as WebDataset writes them; nothing is unpacked.

    Files of one sample have the same name up to the first dot: ``000123.jpg`` and ``000123.cls``.
    Any image is read at any time, by its place in the tar, so that order and views are those of the
    same images in a folder. The order is that of the sorted names of the shards, then that within
    the shard.

    Where each image lies, how long it is and its label take 16 bytes, in a file that all processes
    of a machine share. It is made once, by reading the headers of the tars.

    Args:
        shards: a folder with ``.tar`` files, or a list of such files.
        label: the ending of the files with labels: a whole number, that of the class, or its name.
            ``"json:FIELD"`` for a field of the ``.json`` files. ``None`` for no labels. Images
            without a label are unlabelled; if none has one, there are no classes.
        classes: the names of the classes in their order; ``None`` for the lines of ``classes.txt``
            in the folder, or, where there is none, the names that occur, sorted, or the numbers.
        image: the ending of the files with images, e.g. ``"jpg"``, or several: ``"jpg;png"``.
            ``None`` for all endings of images. Samples with more than one image are left out.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: see `ImageFiles`.
        index: where the index is kept for the next run: ``True`` for this user's cache folder
            (``$XDG_CACHE_HOME`` or the platform's own), a path for another folder, ``False`` to
            have it in memory. Shards that have changed since are scanned again.

    Raises:
        FileNotFoundError: if a shard is not there.
        ValueError: if a shard is compressed, damaged or cut off, there is no image, or labels are
            of several kinds or do not fit `classes`; while reading, if an image cannot be decoded.
        RuntimeError: while reading, if a shard has changed since its index was read.

    Example:
        >>> import io, tarfile, tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with tarfile.open(folder / "pets-0.tar", "w") as tar:
        ...     for name, content in (("1.ppm", b"P6 1 1 255 abc"), ("1.cls", b"cat")):
        ...         member = tarfile.TarInfo(name)
        ...         member.size = len(content)
        ...         tar.addfile(member, io.BytesIO(content))
        >>> images = ImageShards(folder, index=False)
        >>> images.classes, images.labels.tolist(), images.read(0).shape, images.image_names()
        (['cat'], [0], torch.Size([3, 1, 1]), ['pets-0/1'])
    """

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
    ) -> None:
        checks.arguments(ImageShards.__init__, locals())
        check_label(label)
        root, names = find_shards(shards)
        listed = not isinstance(shards, str | Path) or not Path(shards).is_dir()
        self.on_unreadable = on_unreadable
        self._find(LocalPlace(root), names, listed, Rules(label, image), classes, name, index)

    def _find(
        self,
        place: Place,
        names: list[str],
        listed: bool,
        rules: Rules,
        classes: Sequence[str] | None,
        name: str | None,
        index: str | Path | bool,
    ) -> None:
        """Opens shards that were found: the rest of the constructor."""
        self._place, self.root = place, place.root
        classes = place.lines(CLASSES) if classes is None else list(classes)
        self._wanted = Wanted(self.root, names, listed, rules, classes)
        kept = cache_folder() if index is True else Path(index) if index else None
        file = None if kept is None else self._wanted.file(kept)
        shard_index = find_index(self._wanted, place, file)
        if not len(shard_index.labels):
            raise ValueError(
                f"`shards` must hold at least one image, got {str(self.root)!r} with "
                f"{len(names)} .tar files without any"
            )
        if rules.label not in (None, "cls") and not shard_index.classes:
            checks.refuse("label", f"one that images in {self.root} have", rules.label)
        self.name = self.root.name if name is None else name
        self._use(shard_index)
        say_left_out(shard_index, str(self.root), names)

    def read(self, index: int) -> Tensor:
        try:
            content = self._content(index)
        except ValueError as error:
            raise ValueError(f"cannot read the image {self._name(index)} ({error})") from error
        return decode_bytes(content, lambda: self._name(index))

    def encoded(self, index: int) -> bytes | None:
        if type(self).read is not ImageShards.read:  # an image is more than what its bytes show
            return None
        try:
            return self._content(index)
        except ValueError:  # `read` says so
            return None

    def image_names(self) -> list[str]:
        """``"SHARD/KEY"`` of each image, read from the shards."""
        return [name for names in self._all_names(range(len(self.shards))) for name in names]

    def write_index(self, folder: str | Path | None = None) -> Path:
        """Writes the index as ``index.shards``, for copies of the shards in an object store.

        `StreamedShards` reads it there, and so need not read all shards to know what they hold.

        Args:
            folder: where to; ``None`` for that of the shards.

        Returns:
            The file.

        Raises:
            ValueError: if `folder` is ``None`` and the shards lie in a store.
            OSError: if it cannot be written.
        """
        checks.arguments(ImageShards.write_index, locals())
        if folder is None and not isinstance(self.root, Path):
            checks.refuse("folder", "a folder of this machine for shards in a store", folder)
        file = Path(self.root if folder is None else folder) / INDEX_BESIDE
        write_beside(file, self._wanted, self._index)
        return file

    @property
    def shards(self) -> list[str]:
        """The S tars, relative to the root."""
        return self._wanted.names

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        if type(self).read is not ImageShards.read:
            return super().image_keys(positions)
        rows = self._rows(positions)
        sizes = self._index.sizes if positions is None else self._index.sizes[positions.numpy()]
        if int(sizes.sum(dtype="int64")) > LARGE:
            return Keys(as_keys(map(self._place_key, rows)), False)
        with ThreadPoolExecutor() as threads:  # hashlib lets go of the interpreter
            return Keys(as_keys(threads.map(self._content_key, rows)), True)

    def _use(self, index: ShardIndex) -> None:
        self._index = index
        self.labels = torch.from_numpy(index.labels)
        self.classes = index.classes
        self._opened = self._place.opened(self.shards, index.stamps)

    def _where(self, index: int) -> tuple[int, int, int]:
        """Number of the shard, first byte and bytes of an image."""
        index = range(len(self))[index]
        shard = bisect_right(self._index.ends, index) - 1
        return shard, int(self._index.blocks[index]) * BLOCK, int(self._index.sizes[index])

    def _content(self, index: int) -> bytes:
        shard, start, size = self._where(index)
        content = self._opened.read(shard, start, size)
        if len(content) < size:
            raise ValueError(f"{self.root / self.shards[shard]} ends before it")
        return content

    def _name(self, index: int) -> str:
        shard, _, _ = self._where(index)
        (names,) = self._all_names([shard])
        return f"{names[range(len(self))[index] - self._index.ends[shard]]} of {self.root}"

    def _all_names(self, shards: Sequence[int]) -> list[list[str]]:
        stamps = [self._index.stamps[shard] for shard in shards]
        items = [(self.shards[shard], stamp) for shard, stamp in zip(shards, stamps, strict=True)]
        function = partial(_names, self._place, self._wanted.rules)
        every = list(self._place.map(function, items, sum(size for size, _ in stamps)))
        for shard, names in zip(shards, every, strict=True):
            if len(names) != self._index.ends[shard + 1] - self._index.ends[shard]:
                raise RuntimeError(
                    f"the shard {self.root / self.shards[shard]} has changed since its index was "
                    "read. Open the set again."
                )
        return every

    def _content_key(self, index: int) -> bytes:
        try:
            content = self._content(index)
        except ValueError:  # the reader's business, not the hash's
            content = b""
        return blake2b(content, digest_size=KEY_BYTES).digest()

    def _place_key(self, index: int) -> bytes:
        shard, start, size = self._where(index)
        text = b"%d %b %d" % (size, os.fsencode(self.shards[shard]), start)
        return blake2b(text, digest_size=KEY_BYTES).digest()

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["labels"], state["classes"], state["_opened"]
        if self._index.file is not None:  # the other process maps it, too
            state["_index"] = (self._index.file, self._index.token)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        index: Any = self._index
        if not isinstance(index, ShardIndex):
            file, token = index
            try:
                index = open_index(file, token)
            except (ValueError, OSError):  # on another machine, or made anew
                index = find_index(self._wanted, self._place, file)
                if index.token != token:
                    raise RuntimeError(
                        f"the shards in {self.root} have changed since they were opened. Open the "
                        "set again."
                    ) from None
        self._use(index)


def check_label(label: str | None) -> None:
    """Refuses the name of a label that lacks its field.

    Raises:
        ValueError: if it does.
    """
    if label is not None and (label.lower() == "json" or label.endswith(":")):
        checks.refuse("label", "of the form 'json:FIELD' for labels in .json files", label)


def _names(place: Place, rules: Rules, item: tuple[str, Stamp]) -> list[str]:
    """What the images of a shard are called."""
    shard, stamp = item
    keys = place.samples(shard, stamp, rules, keys=True).keys or []
    stem = shard[: -len(".tar")]
    return [f"{stem}/{key}" for key in keys]
