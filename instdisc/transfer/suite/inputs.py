"""What a suite is run on: checkpoints and data sets, looked at before anything runs."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from instdisc.checkpoint import describe_checkpoint, load_backbone
from instdisc.data import (
    CATALOG,
    ImagesInMemory,
    ImageSource,
    ObjectSource,
    open_images,
    open_objects,
)
from instdisc.data.objects.opening import NAMES
from instdisc.models import Backbone

from ..features.cache import hash_weights, image_files
from ..features.extract import Features
from .tasks import Part

Checkpoints = Sequence[str | Path] | Mapping[str, str | Path | Backbone]
RANDOM = "random"


class Subject(NamedTuple):
    """A backbone to evaluate.

    Attributes:
        method: its name in the table.
        checkpoint: its file; ``""`` if it has none.
        digest: a hash of its weights.
        load: gives the backbone.
    """

    method: str
    checkpoint: str
    digest: str
    load: Callable[[], Backbone]


def find_subjects(
    checkpoints: Checkpoints, seed: int, skip: Callable[[str], None]
) -> list[Subject]:
    """The backbones, named; a file that is not there is skipped.

    Args:
        checkpoints: see `run_suite`.
        seed: of random weights.
        skip: is told what is skipped.

    Raises:
        ValueError: if a file is no checkpoint, or nothing tells the architecture of a random
            backbone.
    """
    given: list[tuple[str, str | Path | Backbone]]
    if isinstance(checkpoints, Mapping):
        given = list(checkpoints.items())
    else:
        given = [_named(one) for one in checkpoints]
    present = []
    for name, source in given:
        if isinstance(source, Backbone) or not _is_file(source) or Path(source).is_file():
            present.append((name, source))
        else:
            skip(f"the checkpoint {source}: there is no such file")
    files = [
        (name, Path(one))
        for name, one in present
        if not isinstance(one, Backbone) and _is_file(one)
    ]
    names = _file_names(files)
    found = []
    for name, source in present:
        if isinstance(source, Backbone):
            found.append(_held(name, source))
        elif _is_file(source):
            path = Path(source)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            load = functools.partial(load_backbone, path)
            found.append(Subject(name or names[path], str(path), digest, load))
        else:
            architecture = str(source).partition(":")[2]
            found.append(_held(name or str(source), _random(architecture, list(names), seed)))
    return found


def _named(source: str | Path) -> tuple[str, str | Path]:
    name, given, path = str(source).partition("=")
    return (name, path) if given and not Path(source).exists() else ("", source)


def _is_file(source: str | Path) -> bool:
    return str(source).partition(":")[0] != RANDOM


def _held(name: str, backbone: Backbone) -> Subject:
    return Subject(name, "", hash_weights(backbone), lambda: backbone)


def _random(architecture: str, files: list[Path], seed: int) -> Backbone:
    if not architecture and not files:
        raise ValueError(
            "the architecture of 'random' is that of the first checkpoint, and none is there. "
            "Write for example 'random:resnet50'."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture:
            return Backbone(architecture)
        return Backbone(**load_backbone(files[0]).spec)


def _file_names(files: list[tuple[str, Path]]) -> dict[Path, str]:
    """How each file was made; and where it lies, if several were made alike."""
    names = {path: name or describe_checkpoint(path).method or path.stem for name, path in files}
    alike: dict[str, list[Path]] = {}
    for path, name in names.items():
        alike.setdefault(name, []).append(path)
    for name, paths in alike.items():
        places = [path.resolve() for path in paths]
        if len(set(places)) > 1:
            while len({place.name for place in places}) == 1:  # all end in backbone.safetensors
                places = [place.parent for place in places]
            above = os.path.commonpath(places)
            for path, place in zip(paths, places, strict=True):
                names[path] = f"{name} ({os.path.relpath(place, above)})"
    return names


class DataSet:
    """A set of images whose parts are opened when they are needed.

    Args:
        name: what `open_images` understands.
        root: the folder that holds the sets.
        keep: ``"memory"`` to decode the images once for the tasks that train on them.

    Attributes:
        name: for records.
    """

    def __init__(self, name: str, root: str | Path, keep: Literal["nothing", "memory"]) -> None:
        self._asked = name
        self._root = root
        self._keep = keep
        self._parts: dict[Part, ImageSource] = {}
        self._kept: dict[Part, ImageSource] = {}
        key = name.partition("=")[0]
        self._has = CATALOG[key].transfer if key in CATALOG else {"all", "train", "test"}
        self.name = key if key in CATALOG else Path(name).stem

    def refusal(self, parts: Sequence[Part]) -> str:
        """Why a task cannot have these parts; ``""`` if it can."""
        lacking = self.lacks(parts)
        if self._asked.partition("=")[0] not in CATALOG and holds_objects(self._asked, self._root):
            return "whose images have objects, and no class of their own"
        return f"which has no part {lacking[0]!r}" if lacking else ""

    def lacks(self, parts: Sequence[Part]) -> list[Part]:
        """Those that the set does not have."""
        return [part for part in parts if part not in self._has]

    def images(self, part: Part) -> ImageSource:
        """A part, to be read.

        Raises:
            FileNotFoundError: if the set is not there.
            ValueError: if its files lie in another layout.
        """
        if part not in self._parts:
            self._parts[part] = open_images(self._asked, self._root, part=part)
        return self._parts[part]

    def kept(self, part: Part) -> ImageSource:
        """A part to train on: in memory if this was asked for."""
        if self._keep == "nothing":
            return self.images(part)
        if part not in self._kept:
            self._kept[part] = ImagesInMemory(self.images(part))
        return self._kept[part]

    def forget(self) -> None:
        """Lets go of what is kept in memory."""
        self._kept.clear()

    def digest(self, parts: Sequence[Part]) -> str:
        """A hash of classes, labels and order."""
        digest = hashlib.sha256()
        for part in parts:
            images = self.images(part)
            digest.update(repr((part, list(images.classes))).encode())
            digest.update(images.labels.numpy().tobytes())
        return digest.hexdigest()

    def features(self, part: Part, extract: Callable[[ImageSource], Features]) -> Features:
        """The features of a part; those of all images out of both parts where this gives all."""
        if part == "all" and not self.lacks(["train", "test"]):
            found = self._joined(extract)
            if found is not None:
                return found
        return extract(self.images(part))

    def _joined(self, extract: Callable[[ImageSource], Features]) -> Features | None:
        wanted = image_files(self.images("all"))
        rows: dict[Path, int] = {}
        for part in ("train", "test"):
            for path in image_files(self.images(part)) or ():
                rows.setdefault(path, len(rows))
        if wanted is None or set(wanted) != set(rows) or len(rows) != len(wanted):
            return None
        train, test = extract(self.images("train")), extract(self.images("test"))
        if len(train.labels) + len(test.labels) != len(rows):
            return None
        order = torch.tensor([rows[path] for path in wanted])
        return Features(*(torch.cat(pair)[order] for pair in zip(train, test, strict=True)))


class ObjectSet:
    """A set of images with objects whose parts are opened when they are needed.

    Args:
        name: what `open_objects` understands.
        root: the folder that holds the sets.

    Attributes:
        name: for records.
    """

    def __init__(self, name: str, root: str | Path) -> None:
        self._asked = name
        self._root = root
        self._parts: dict[Part, ObjectSource] = {}
        key = name.partition("=")[0]
        self.name = key if key in NAMES else Path(name).stem

    def refusal(self, parts: Sequence[Part]) -> str:
        """Why a task cannot have these parts; ``""`` if it can."""
        there = (Path(self._root) / self._asked).exists() or Path(self._asked).exists()
        known = self._asked.partition("=")[0] in CATALOG or there
        if known and not holds_objects(self._asked, self._root):
            return "whose images have no objects"
        return ""

    def images(self, part: Part) -> ObjectSource:
        """A part.

        Raises:
            FileNotFoundError: if the set is not there.
            ValueError: if its files lie in another layout.
        """
        if part not in self._parts:
            self._parts[part] = open_objects(self._asked, self._root, part=part)
        return self._parts[part]

    kept = images  # images of detection are too large to be kept

    def forget(self) -> None:
        """Nothing is kept."""

    def digest(self, parts: Sequence[Part]) -> str:
        """A hash of classes, images, and the area of each object; boxes would need the masks."""
        digest = hashlib.sha256()
        for part in parts:
            source = self.images(part)
            digest.update(repr((part, list(source.classes), source.image_ids)).encode())
            digest.update(source.sizes.numpy().tobytes())
            for index in range(len(source)):
                digest.update(source.areas(index).numpy().tobytes() + b"/")
        return digest.hexdigest()


def holds_objects(name: str, root: str | Path) -> bool:
    """Whether a set is one for detection: by its name, or by the layout of its folder."""
    if name.partition("=")[0] in NAMES:
        return True
    folder = Path(root) / name if (Path(root) / name).exists() else Path(name)
    if (folder / "Annotations").is_dir() or (folder / "PedMasks").is_dir():
        return True
    return any((folder / "annotations").glob("instances_*.json"))
