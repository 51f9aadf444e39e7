"""The data sets that a suite is run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from instdisc import checks
from instdisc.data import (
    LAYOUTS,
    ImagesInMemory,
    ImageSource,
    JoinedImages,
    kinds_of,
    locate,
    open_set,
    split_set,
)
from instdisc.data.images.source import Fingerprint
from instdisc.data.layout import Part

from .asked import Asked, DataSet, Images, read_asked, shown_name
from .fitting import number_alike
from .tasks import TaskPart

DataSets = Sequence[DataSet] | Mapping[str, DataSet]
Keep = Literal["nothing", "memory"]
_PAIR: tuple[TaskPart, ...] = ("train", "test")
_BASE_AND_NOVEL: tuple[TaskPart, ...] = ("base_train", "base_test", "novel")
# Sets of the catalog that have base and novel classes, and which splits these are.
_SPLITS = {"mini_imagenet": ("base_train", "base_val", "test")}


class SuiteSet:
    """A data set, whose parts are opened when they are needed.

    Args:
        asked: one set, which has parts, or is split by seed 0 if it is a source or a part itself;
            or two, to train on and to test on; or three, of base and novel classes.
        name: what tables call it.
        root: the folder that holds the sets.
        keep: ``"memory"`` to decode the images once for the tasks that train on them.

    Attributes:
        name: for records.
        kinds: of the tasks that it can serve.
    """

    def __init__(self, asked: Asked, name: str, root: str | Path, keep: Keep) -> None:
        self.name = name
        self._asked = asked
        self._root = root
        self._keep = keep
        self._parts: dict[tuple[str, TaskPart], ImageSource] = {}
        self._kept: dict[tuple[str, TaskPart], ImageSource] = {}
        self._prints: dict[tuple[str, TaskPart], Fingerprint] = {}
        kinds = [
            [images.source.kind]
            if isinstance(images.source, ImageSource)
            else kinds_of(images.source, root, LAYOUTS)
            for images in asked.images
        ]
        self.kinds = [kind for kind in kinds[0] if all(kind in others for others in kinds)]

    def images(self, kind: str, part: TaskPart) -> ImageSource:
        """A part, to be read.

        Raises:
            FileNotFoundError: if the set is not there.
            ValueError: if its files lie in another layout, it has no such part, or its parts are
                not of the same classes.
        """
        if (kind, part) not in self._parts:
            self._parts[kind, part] = self._open(kind, part)
        return self._parts[kind, part]

    def kept(self, kind: str, part: TaskPart) -> ImageSource:
        """A part to train on: in memory if this was asked for and the images are plain."""
        if self._keep == "nothing" or kind != "images":
            return self.images(kind, part)
        if (kind, part) not in self._kept:
            self._kept[kind, part] = ImagesInMemory(self.images(kind, part))
        return self._kept[kind, part]

    def fingerprint(self, kind: str, part: TaskPart) -> Fingerprint:
        """A hash of all that a result on a part depends on."""
        if (kind, part) not in self._prints:
            self._prints[kind, part] = self.images(kind, part).fingerprint()
        return self._prints[kind, part]

    def forget(self) -> None:
        """Lets go of what is kept in memory."""
        self._kept.clear()

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which opens the parts itself and compares them by `fingerprint`."""
        return {**self.__dict__, "_parts": {}, "_kept": {}}

    def _open(self, kind: str, part: TaskPart) -> ImageSource:
        if len(self._asked.images) == 1:
            return self._open_set(kind, part, self._asked.images[0])
        parts = _PAIR if len(self._asked.images) == 2 else _BASE_AND_NOVEL
        if part in parts:
            return self._open_part(kind, part, dict(zip(parts, self._asked.images, strict=True)))
        if part == "all" and parts == _PAIR and kind == "images":
            return JoinedImages({name: self.images(kind, name) for name in _PAIR})
        raise ValueError(
            f"{self.name!r} is given by the images of its parts {', '.join(parts)}, and this task "
            f"takes {part!r}: give it one set"
        )

    def _open_set(self, kind: str, part: TaskPart, images: Images) -> ImageSource:
        if part in _BASE_AND_NOVEL:
            return self._open_part(kind, part, self._splits(images))
        if isinstance(images.source, str | Path) and not images.part:
            opened = open_set(kind, images.source, self._root, part=cast(Part, part))
        else:
            opened = images.open(kind, self._root)
            if part != "all":
                opened = split_set(opened)[part == "test"]
        return self._called(opened, images)

    def _open_part(
        self, kind: str, part: TaskPart, parts: Mapping[TaskPart, Images]
    ) -> ImageSource:
        opened = parts[part].open(kind, self._root)
        if part in ("test", "base_test"):
            train = self.images(kind, "train" if part == "test" else "base_train")
            # Sources of other kinds that a user made look after their classes themselves.
            if kind == "images" or not isinstance(parts[part].source, ImageSource):
                opened = number_alike(opened, train.classes, self.name)
        elif part == "novel":
            both = sorted({*opened.classes} & {*self.images(kind, "base_train").classes})
            if both:
                raise ValueError(
                    f"the novel classes of {self.name!r} must be others than its base classes, "
                    f"{both[0]!r} is both ({len(both)} such): leave it out of one of them"
                )
        return self._called(opened, parts[part])

    def _splits(self, images: Images) -> dict[TaskPart, Images]:
        """The base and novel classes of a set that is known for them."""
        if not isinstance(images.source, ImageSource) and not images.part:
            place = locate(images.source, self._root, LAYOUTS)
            if place.layouts and place.name in _SPLITS:
                parts = (Images(images.source, split) for split in _SPLITS[place.name])
                return dict(zip(_BASE_AND_NOVEL, parts, strict=True))
        raise ValueError(
            f"{self.name!r} does not tell base from novel classes, as {', '.join(_SPLITS)} does: "
            "write NAME=BASE_TRAIN:BASE_TEST:NOVEL"
        )

    def _called(self, opened: ImageSource, images: Images) -> ImageSource:
        if not isinstance(images.source, ImageSource):  # what a user made keeps its own name
            opened.name = self.name
        return opened


def find_sets(data_sets: DataSets, root: str | Path, keep: Keep) -> list[SuiteSet]:
    """The data sets, each under the shortest name that is unique among them.

    Args:
        data_sets: see `run_suite`.
        root: the folder that holds them.
        keep: see `SuiteSet`.

    Raises:
        TypeError: if one is neither text nor a source, or a name is no text.
        ValueError: if there is none, a name is given twice, or a text has another form.
    """
    named = isinstance(data_sets, Mapping)
    if not (named or isinstance(data_sets, Sequence)) or isinstance(data_sets, str):
        raise TypeError(f"`data_sets` must be a list or a mapping, got {data_sets!r}")
    if not data_sets:
        checks.refuse("data_sets", "a list of at least one", data_sets)
    pairs: list[tuple[str, DataSet]]
    if isinstance(data_sets, Mapping):
        pairs = list(data_sets.items())
    else:
        pairs = [("", data_set) for data_set in data_sets]
    asked: list[Asked] = []
    for name, data_set in pairs:
        if not isinstance(name, str):
            checks.refuse("data_sets", "named by texts", name, kind=TypeError)
        parts = data_set if isinstance(data_set, tuple) else (data_set,)
        if not 1 <= len(parts) <= 3 or (isinstance(data_set, tuple) and len(parts) == 1):
            checks.refuse("data_sets", "sets, or tuples of two or three", data_set, kind=TypeError)
        if not all(isinstance(part, str | Path | ImageSource) for part in parts):
            raise TypeError(
                "`data_sets` must be names, folders, tables, image sources, or tuples of those to "
                f"train on and to test on, got {data_set!r}"
            )
        asked += read_asked(name, data_set, root)
    asked = list({_identity(data_set, root): data_set for data_set in asked}.values())
    names = _unique_names(asked, root)
    return [SuiteSet(item, name, root, keep) for item, name in zip(asked, names, strict=True)]


def _identity(asked: Asked, root: str | Path) -> object:
    """Equal for two spellings of one set under one name."""
    first = asked.images[0]
    name = asked.name
    if len(asked.images) == 1 and not isinstance(first.source, ImageSource) and not name:
        place = locate(first.source, root, LAYOUTS)
        # A folder that is given without a name is the same, whatever leads to it.
        unnamed = place.path in (Path(root) / first.source, Path(first.source))
        name = "" if unnamed else place.name
    return name, *(images.identity(root) for images in asked.images)


def _unique_names(asked: Sequence[Asked], root: str | Path) -> list[str]:
    names: list[str] = []
    longer: list[list[str]] = []
    for data_set in asked:
        source = data_set.images[0].source
        names.append(data_set.name or shown_name(data_set.images, root))
        longer.append([])
        if data_set.name or isinstance(source, ImageSource) or len(data_set.images) > 1:
            continue
        place = locate(source, root, LAYOUTS)
        path = place.path.resolve()
        # What may come before it: the folders above, the nearest first.
        if not place.layouts and path.name.startswith(place.name):
            longer[-1] = [parent.name for parent in path.parents if parent.name]
    while True:
        twice = [row for row, name in enumerate(names) if names.count(name) > 1]
        if not twice:
            return names
        if not any(longer[row] for row in twice):
            raise ValueError(
                f"`data_sets` must have different names, got {names[twice[0]]!r} twice. Name one: "
                "NAME=FOLDER, or a mapping of names."
            )
        for row in twice:
            if longer[row]:
                names[row] = f"{longer[row].pop(0)}/{names[row]}"
