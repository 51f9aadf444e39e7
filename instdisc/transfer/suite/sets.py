"""The data sets that a suite is run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from instdisc import checks
from instdisc.data import (
    LAYOUTS,
    ImagesInMemory,
    ImageSource,
    kinds_of,
    locate,
    open_set,
    split_set,
)
from instdisc.data.images.source import Fingerprint
from instdisc.data.layout import Part

DataSet = str | Path | ImageSource | tuple[ImageSource, ImageSource]
DataSets = Sequence[DataSet] | Mapping[str, DataSet]
Keep = Literal["nothing", "memory"]


class SuiteSet:
    """A data set, whose parts are opened when they are needed.

    Args:
        asked: what a user wrote: a name, folder or table; a source, which is split by seed 0; or a
            source to train on and one to test on.
        name: what tables call it.
        root: the folder that holds the sets.
        keep: ``"memory"`` to decode the images once for the tasks that train on them.

    Attributes:
        name: for records.
        kinds: of the tasks that it can serve.
    """

    def __init__(self, asked: DataSet, name: str, root: str | Path, keep: Keep) -> None:
        self.name = name
        self._asked = asked
        self._root = root
        self._keep = keep
        self._parts: dict[tuple[str, Part], ImageSource] = {}
        self._kept: dict[tuple[str, Part], ImageSource] = {}
        self._prints: dict[tuple[str, Part], Fingerprint] = {}
        if isinstance(asked, str | Path):
            self.kinds = kinds_of(asked, root, LAYOUTS)
        else:
            first = asked[0] if isinstance(asked, tuple) else asked
            self.kinds = [first.kind]

    def images(self, kind: str, part: Part) -> ImageSource:
        """A part, to be read.

        Raises:
            FileNotFoundError: if the set is not there.
            ValueError: if its files lie in another layout, or it has no such part.
        """
        if (kind, part) not in self._parts:
            images = self._open(kind, part)
            if isinstance(self._asked, str | Path):  # what a user made keeps its own name
                images.name = self.name
            self._parts[kind, part] = images
        return self._parts[kind, part]

    def kept(self, kind: str, part: Part) -> ImageSource:
        """A part to train on: in memory if this was asked for and the images are plain."""
        if self._keep == "nothing" or kind != "images":
            return self.images(kind, part)
        if (kind, part) not in self._kept:
            self._kept[kind, part] = ImagesInMemory(self.images(kind, part))
        return self._kept[kind, part]

    def fingerprint(self, kind: str, part: Part) -> Fingerprint:
        """A hash of all that a result on a part depends on."""
        if (kind, part) not in self._prints:
            self._prints[kind, part] = self.images(kind, part).fingerprint()
        return self._prints[kind, part]

    def forget(self) -> None:
        """Lets go of what is kept in memory."""
        self._kept.clear()

    def _open(self, kind: str, part: Part) -> ImageSource:
        if isinstance(self._asked, str | Path):
            return open_set(kind, self._asked, self._root, part=part)
        if isinstance(self._asked, ImageSource):
            if part == "all":
                return self._asked
            return split_set(self._asked)[part == "test"]
        if part == "all":
            raise ValueError(
                f"{self.name!r} is given as a part to train on and one to test on, and this task "
                "takes all images: give one source"
            )
        return self._asked[part == "test"]


def find_sets(data_sets: DataSets, root: str | Path, keep: Keep) -> list[SuiteSet]:
    """The data sets, each under the shortest name that is unique among them.

    Args:
        data_sets: see `run_suite`.
        root: the folder that holds them.
        keep: see `SuiteSet`.

    Raises:
        TypeError: if one is neither text nor a source, or a name is no text.
        ValueError: if there is none, or a name is given twice.
    """
    named = isinstance(data_sets, Mapping)
    if not (named or isinstance(data_sets, Sequence)) or isinstance(data_sets, str):
        raise TypeError(f"`data_sets` must be a list or a mapping, got {data_sets!r}")
    if not data_sets:
        checks.refuse("data_sets", "a list of at least one", data_sets)
    asked: list[tuple[str, DataSet]]
    if isinstance(data_sets, Mapping):
        asked = list(data_sets.items())
    else:
        asked = [("", data_set) for data_set in data_sets]
    for name, data_set in asked:
        if not isinstance(name, str):
            checks.refuse("data_sets", "named by texts", name, kind=TypeError)
        pair = isinstance(data_set, tuple) and len(data_set) == 2
        sources = list(data_set) if isinstance(data_set, tuple) else []
        pair = pair and all(isinstance(source, ImageSource) for source in sources)
        if not (isinstance(data_set, str | Path | ImageSource) or pair):
            raise TypeError(
                "`data_sets` must be names, folders, tables, image sources or pairs of a source to "
                f"train on and one to test on, got {type(data_set).__name__}"
            )
    asked = list({_identity(*item, root): item for item in asked}.values())
    names = _unique_names(asked, root)
    return [
        SuiteSet(data_set, name, root, keep)
        for (_, data_set), name in zip(asked, names, strict=True)
    ]


def _identity(name: str, data_set: DataSet, root: str | Path) -> object:
    """Equal for two spellings of one set under one name."""
    if not isinstance(data_set, str | Path):
        return name, data_set
    place = locate(data_set, root, LAYOUTS)
    # A folder that is given without a name is the same, whatever leads to it.
    unnamed = place.path in (Path(root) / data_set, Path(data_set))
    return name or ("" if unnamed else place.name), place.path.resolve(), bool(place.known)


def _unique_names(asked: Sequence[tuple[str, DataSet]], root: str | Path) -> list[str]:
    names: list[str] = []
    longer: list[list[str]] = []
    for name, data_set in asked:
        if name or not isinstance(data_set, str | Path):
            first = data_set[0] if isinstance(data_set, tuple) else data_set
            names.append(name or getattr(first, "name", ""))
            longer.append([])
            continue
        place = locate(data_set, root, LAYOUTS)
        path = place.path.resolve()
        names.append(place.name)
        # What may come before it: the folders above, the nearest first.
        plain = not place.known and path.name.startswith(place.name)
        longer.append([parent.name for parent in path.parents if parent.name] if plain else [])
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
