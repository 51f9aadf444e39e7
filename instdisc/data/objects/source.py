"""What every set of images with annotated objects offers.

Legend: N images, M objects of an image, H x W size of an image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import all_finite
from instdisc.types import Objects

from ..images.contents import Keys, as_keys, hash_parts, join_keys
from ..images.source import ImageSource, check_positions


class ObjectCounts(NamedTuple):
    """How many objects of each class there are.

    Attributes:
        trained: ``(C,)`` int64; all but crowds.
        scored: ``(C,)`` int64; neither crowds nor difficult.
    """

    trained: Tensor
    scored: Tensor

    @staticmethod
    def of(
        labels: Tensor, difficult: Tensor, crowd: Tensor, num_classes: int, weights: Tensor
    ) -> ObjectCounts:
        """Of ``(M,)`` objects, each of which counts so often."""
        nothing = torch.zeros(num_classes, dtype=torch.int64)
        return ObjectCounts(
            nothing.index_add(0, labels, weights * ~crowd),
            nothing.index_add(0, labels, weights * ~(crowd | difficult)),
        )


class ObjectSource(ImageSource):
    """Images with objects in them; subclass it for annotations of another format.

    `classes` are the classes of the objects. The images themselves have no label, so `labels` is
    -1 everywhere.

    Attributes:
        image_ids: N names or numbers of the images, as the annotations have them.
        category_ids: for each class its number in the annotations, e.g. COCO's 1 to 90.
        masks: whether `objects` gives masks.
        sizes: ``(N, 2)`` int64 height and width of each image, known without reading it.
        has_objects: ``(N,)`` bool, whether there is something to train on: crowds do not count.
    """

    kind = "objects"
    image_ids: list[int | str]
    category_ids: list[int]
    masks: bool
    sizes: Tensor
    has_objects: Tensor

    @abstractmethod
    def objects(self, index: int) -> Objects:
        """What is in the image at a position, as annotated: boxes are not clipped to the image."""

    def areas(self, index: int) -> Tensor:
        """What the annotations call the area of each object, ``(M,)`` float64 in pixels.

        COCO's evaluation sorts objects into small, medium and large by it. Where a file says
        nothing of it, it is the area of the mask, or of the box where there are no masks.
        """
        objects = self.objects(index)
        if objects.masks is not None:
            return objects.masks.flatten(1).sum(1).double()
        width, height = (objects.boxes[:, 2:] - objects.boxes[:, :2]).double().unbind(1)
        return width * height

    def image_names(self) -> list[str]:
        return [str(name) for name in self.image_ids]

    def subset(self, positions: Tensor) -> ObjectSubset:
        return ObjectSubset(self, positions)

    def counts(self, positions: Tensor | None = None) -> ObjectCounts:
        """How many objects there are to train on and to find.

        Args:
            positions: ``(K,)`` int64 of the images that count; ``None`` for all.

        Raises:
            ValueError: if a label is not in 0 to C - 1, or a box is not finite; names the image.
        """
        num_classes = len(self.classes)
        trained, scored = (torch.zeros(num_classes, dtype=torch.int64) for _ in range(2))
        for index in self._rows(positions):
            objects = self.objects(index)
            where = f"image {self.image_ids[index]} of {self.name!r}"
            all_finite("boxes", objects.boxes, row="row", remedy=f"Correct {where}.")
            labels = objects.labels
            if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
                raise ValueError(
                    f"`labels` must lie in 0 to {num_classes - 1} for {num_classes} `classes`, got "
                    f"{int(labels.min())} to {int(labels.max())} in {where}"
                )
            more = ObjectCounts.of(
                labels, objects.difficult, objects.crowd, num_classes, torch.ones_like(labels)
            )
            trained, scored = trained + more.trained, scored + more.scored
        return ObjectCounts(trained, scored)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        return Keys(as_keys(self._truth_key(index) for index in self._rows(positions)), True)

    def _truth_key(self, index: int) -> bytes:
        objects = self.objects(index)
        columns = [column for column in objects if column is not None]
        columns += [self.areas(index), self.sizes[index]]
        return hash_parts(*(column.contiguous().numpy().tobytes() for column in columns))


def check_classes(train: ObjectSource, test: ObjectSource) -> None:
    """Raises a ValueError if two sets number their classes differently; names the difference."""
    ours, theirs = [str(name) for name in train.classes], [str(name) for name in test.classes]
    if ours == theirs:
        return
    if sorted(ours) == sorted(theirs):
        row = next(row for row, name in enumerate(ours) if name != theirs[row])
        what = f"them in another order: number {row} is {theirs[row]!r} instead of {ours[row]!r}"
    else:
        more, fewer = set(theirs) - set(ours), set(ours) - set(theirs)
        shown = [", ".join(map(repr, sorted(some)[:5])) or "nothing" for some in (more, fewer)]
        what = f"{len(theirs)} for {len(ours)}: with {shown[0]} and without {shown[1]}"
    raise ValueError(
        f"`test` must have the classes of `train` in their order, got {what} ({test.name!r} and "
        f"{train.name!r}). Give both the same list of classes."
    )


class ObjectSubset(ObjectSource):
    """Some images of a source.

    Args:
        source: the source.
        positions: ``(K,)`` int64 positions in it; their order is kept.

    Raises:
        ValueError: if `positions` is empty.
        IndexError: if a position is outside the source.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> few = ObjectSubset(SceneObjects(Scenes(10, image_size=32)), torch.tensor([7, 2]))
        >>> len(few), few.image_ids
        (2, [7, 2])
    """

    def __init__(self, source: ObjectSource, positions: Tensor) -> None:
        checks.arguments(ObjectSubset.__init__, locals())
        check_positions(positions, source)
        self.source = source
        self.positions = positions
        self.name = source.name
        self.classes = source.classes
        self.labels = source.labels[positions]
        self.on_unreadable = source.on_unreadable
        self.image_ids = [source.image_ids[position] for position in positions.tolist()]
        self.category_ids = source.category_ids
        self.masks = source.masks
        self.sizes = source.sizes[positions]
        self.has_objects = source.has_objects[positions]

    def read(self, index: int) -> Tensor:
        return self.source.read(int(self.positions[index]))

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        chosen = self.positions if positions is None else self.positions[positions]
        return self.source.image_keys(chosen)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        chosen = self.positions if positions is None else self.positions[positions]
        return self.source.annotation_keys(chosen)

    def counts(self, positions: Tensor | None = None) -> ObjectCounts:
        chosen = self.positions if positions is None else self.positions[positions]
        return self.source.counts(chosen)

    def objects(self, index: int) -> Objects:
        return self.source.objects(int(self.positions[index]))

    def areas(self, index: int) -> Tensor:
        return self.source.areas(int(self.positions[index]))


class JoinedObjects(ObjectSource):
    """The images of several sources, one source after the other: VOC 07+12.

    Args:
        sources: which have the same classes with the same ids.
        name: for records and messages; ``None`` for their names with a plus between.

    Raises:
        ValueError: if there is no source, they differ in classes, ids or masks, or two images have
            the same id.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> scenes = SceneObjects(Scenes(3, image_size=32))
        >>> few = [ObjectSubset(scenes, torch.tensor([i])) for i in (2, 0)]
        >>> JoinedObjects(few).image_ids
        [2, 0]
    """

    def __init__(self, sources: Sequence[ObjectSource], *, name: str | None = None) -> None:
        checks.arguments(JoinedObjects.__init__, locals())
        if not sources:
            raise ValueError("`sources` must hold at least one source, got none")
        first = sources[0]
        for other in sources[1:]:
            for what in ("classes", "category_ids", "masks"):
                ours, theirs = getattr(first, what), getattr(other, what)
                if ours != theirs:
                    raise ValueError(
                        f"`sources` must be alike in their `{what}`; {first.name!r} has "
                        f"{str(ours)[:100]} and {other.name!r} {str(theirs)[:100]}"
                    )
        self.sources = list(sources)
        self.name = "+".join(source.name for source in sources) if name is None else name
        self.classes = first.classes
        self.labels = torch.cat([source.labels for source in sources])
        self.on_unreadable = first.on_unreadable
        self.image_ids = [image_id for source in sources for image_id in source.image_ids]
        if len(set(self.image_ids)) < len(self.image_ids):
            seen: set[int | str] = set()
            twice = next(i for i in self.image_ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            raise ValueError(f"`sources` must not share an image; two have the id {twice!r}")
        self.category_ids = first.category_ids
        self.masks = first.masks
        self.sizes = torch.cat([source.sizes for source in sources])
        self.has_objects = torch.cat([source.has_objects for source in sources])
        self._ends = torch.tensor([len(source) for source in sources]).cumsum(0)

    def read(self, index: int) -> Tensor:
        source, position = self._find(index)
        return source.read(position)

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        keys = join_keys([source.image_keys() for source in self.sources])
        return keys if positions is None else keys._replace(keys=keys.keys[positions.numpy()])

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        keys = join_keys([source.annotation_keys() for source in self.sources])
        return keys if positions is None else keys._replace(keys=keys.keys[positions.numpy()])

    def counts(self, positions: Tensor | None = None) -> ObjectCounts:
        if positions is not None:
            return super().counts(positions)
        parts = [source.counts() for source in self.sources]
        return ObjectCounts(*(torch.stack(column).sum(0) for column in zip(*parts, strict=True)))

    def objects(self, index: int) -> Objects:
        source, position = self._find(index)
        return source.objects(position)

    def areas(self, index: int) -> Tensor:
        source, position = self._find(index)
        return source.areas(position)

    def _find(self, index: int) -> tuple[ObjectSource, int]:
        number = int(torch.searchsorted(self._ends, index, right=True))
        return self.sources[number], index - (int(self._ends[number - 1]) if number else 0)
