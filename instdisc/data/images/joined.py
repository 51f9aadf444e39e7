"""Several folders, or sources of any kind, as one set."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from instdisc import checks

from .contents import Keys, join_keys
from .files import ImageFiles
from .folders import ImageFolder
from .order import EpochOrder
from .source import ImageSource


def join_folders(root: str | Path, names: Sequence[str]) -> ImageFiles:
    """The images of folders that have the same class folders, one folder after the other.

    Args:
        root: what the paths of the set are relative to.
        names: the folders below it; see `ImageFolder` for what lies in each.

    Raises:
        FileNotFoundError: if one is not a folder.
        ValueError: if they do not have the same class folders; names one that is not in all.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("train/cat", "test/cat"):
        ...     (root / name).mkdir(parents=True)
        ...     Image.new("RGB", (8, 6)).save(root / name / "1.png")
        >>> list(join_folders(root, ["train", "test"]).paths)
        ['train/cat/1.png', 'test/cat/1.png']
    """
    checks.arguments(join_folders, locals())
    if not names:
        checks.refuse("names", "the names of folders, at least one", names)
    for name in names:
        if not (Path(root) / name).is_dir():
            raise FileNotFoundError(
                f"`names` must be folders in `root`={str(root)!r}, got {name!r}, which is not there"
            )
    folders = [ImageFolder(Path(root) / name) for name in names]
    odd = [set(folders[0].classes) ^ set(folder.classes) for folder in folders]
    for name, differing in zip(names, odd, strict=True):
        if differing:
            raise ValueError(
                f"{names[0]}/ and {name}/ in {root} must have the same class folders; "
                f"{min(differing)!r} is only in one of them"
            )
    return ImageFiles(
        root,
        [name + os.sep + path for name, f in zip(names, folders, strict=True) for path in f.paths],
        torch.cat([folder.labels for folder in folders]),
        classes=folders[0].classes,
    )


class JoinedImages(ImageSource):
    """Images of sources of the same classes, one source after the other.

    Args:
        sources: by a name, with which the names of their images begin.

    Raises:
        ValueError: if there are none, or their classes are not the same.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(4, image_size=32)
        >>> both = JoinedImages({"train": scenes, "test": scenes})
        >>> len(both), torch.equal(both.read(5), scenes.read(1)), both.image_names()[5]
        (8, True, 'test/1')
    """

    def __init__(self, sources: Mapping[str, ImageSource]) -> None:
        checks.arguments(JoinedImages.__init__, locals())
        if not sources:
            checks.refuse("sources", "at least one source by its name", sources)
        for part, source in sources.items():
            checks.instance(f"sources[{part!r}]", source, ImageSource, "an ImageSource")
        self.sources = dict(sources)
        self._sources = [*self.sources.values()]
        first = self._sources[0]
        for part, source in sources.items():
            if list(source.classes) != list(first.classes):
                both = f"{list(first.classes)[:5]}, {list(source.classes)[:5]} in {part!r}"
                checks.refuse("sources", "of the same classes", both)
        self.name = first.name
        self.classes = first.classes
        self.labels = torch.cat([source.labels for source in self._sources])
        self.on_unreadable = first.on_unreadable
        lengths = [len(source) for source in self._sources]
        self._starts = [sum(lengths[:row]) for row in range(len(lengths))]

    def read(self, index: int) -> Tensor:
        source, position = self._place(index)
        return source.read(position)

    def encoded(self, index: int) -> bytes | None:
        source, position = self._place(index)
        return source.encoded(position)

    def epoch_order(self, seed: int, positions: Tensor | None = None) -> EpochOrder | None:
        """Any order.

        Raises:
            ValueError: if one of the sources is read in an order of its own.
        """
        for part, source in self.sources.items():
            if source.epoch_order(seed) is not None:
                raise ValueError(
                    f"`sources` must be read in any order to be trained on together, got {part!r} "
                    "in shards of a store: put all shards into one StreamedShards"
                )
        return None

    def image_names(self) -> list[str]:
        return [
            f"{part}/{name}"
            for part, source in self.sources.items()
            for name in source.image_names()
        ]

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        keys = join_keys([source.image_keys() for source in self._sources])
        return keys if positions is None else keys._replace(keys=keys.keys[positions.numpy()])

    def _place(self, index: int) -> tuple[ImageSource, int]:
        row = bisect_right(self._starts, index) - 1
        return self._sources[row], index - self._starts[row]
