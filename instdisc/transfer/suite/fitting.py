"""Images of several places as parts of one set: numbered alike, and one after the other.

Legend: N images.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from instdisc.data import ImageSource, ImageSubset
from instdisc.data.images.contents import Keys, join_keys


def number_alike(images: ImageSource, classes: Sequence[str], name: str) -> ImageSource:
    """The same images with their classes numbered as those of another source.

    Args:
        images: their classes are some of the others, by name.
        classes: the names of all classes.
        name: of the set, for the message.

    Raises:
        ValueError: if a class has another name, or the images come with something else than a
            class each and their names differ.

    Example:
        >>> from instdisc.data import ClassSubset, Scenes
        >>> scenes = Scenes(6, image_size=32, num_categories=3)
        >>> two = ClassSubset(scenes, scenes.classes[1:])
        >>> two.labels.tolist(), number_alike(two, scenes.classes, "scenes").labels.tolist()
        ([1, 0, 0, 1], [2, 1, 1, 2])
    """
    theirs, ours = list(images.classes), list(classes)
    if theirs == ours:
        return images
    others = [label for label in theirs if label not in ours]
    if images.kind != "images" or others:
        differing = others or [label for label in ours if label not in theirs] or theirs
        raise ValueError(
            f"the parts of {name!r} must be of the same classes; {differing[0]!r} is not in all "
            f"of them ({len(theirs)} and {len(ours)} classes). Call the classes alike."
        )
    numbers = torch.tensor([*(ours.index(label) for label in theirs), -1])  # the last is unknown
    alike = ImageSubset(images, torch.arange(len(images)))
    alike.classes = ours
    alike.labels = numbers[images.labels]
    return alike


class JoinedImages(ImageSource):
    """Images of sources of the same classes, one source after the other.

    Args:
        sources: by a name, with which the names of their images begin.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(4, image_size=32)
        >>> both = JoinedImages({"train": scenes, "test": scenes})
        >>> len(both), torch.equal(both.read(5), scenes.read(1)), both.image_names()[5]
        (8, True, 'test/1')
    """

    def __init__(self, sources: Mapping[str, ImageSource]) -> None:
        self.sources = dict(sources)
        self._sources = [*self.sources.values()]
        first = self._sources[0]
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
