"""What a user writes for a data set: a set, or the images of each of its parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast, get_args

from instdisc import checks
from instdisc.data import CATALOG, LAYOUTS, CatalogImages, ImageSource, locate, open_set
from instdisc.data.images.address import split_name, without_secrets
from instdisc.data.layout import Part

Written = str | Path | ImageSource
DataSet = Written | tuple[Written, Written] | tuple[Written, Written, Written]
GROUPS = {"bscd_fsl": ("cropdisease@train", "eurosat", "isic", "chestx")}
"""Names that stand for several sets; BSCD-FSL takes the training folder of CropDisease alone."""

FORMS = (
    "Write NAME=TRAIN:TEST, NAME=BASE_TRAIN:BASE_TEST:NOVEL, or SET@PART for a part of a set alone."
)
_PART = re.compile(r"(.+)@(\w+)")
_PARTS = re.compile(r":(?!//|\d+/)")  # not those of s3:// and of ports


class Images(NamedTuple):
    """Images that a user names.

    Attributes:
        source: a name, folder or table, see `locate`; or a source.
        part: of it alone: a split of a set of the catalog, ``"train"``, ``"test"`` and so on;
            ``""`` for no choice.
    """

    source: Written
    part: str = ""

    def identity(self, root: str | Path) -> object:
        """Equal for two spellings of the same images."""
        if isinstance(self.source, ImageSource):
            return self.source
        place = locate(self.source, root, LAYOUTS)
        return place.path.resolve(), bool(place.layouts), self.part

    def open(self, kind: str, root: str | Path) -> ImageSource:
        """All of them, or those of the part.

        Raises:
            FileNotFoundError: if the set is not there.
            ValueError: if it lies in another layout, or has no such part.
        """
        if isinstance(self.source, ImageSource):
            return self.source
        if not self.part:
            return open_set(kind, self.source, root, part="all")
        place = locate(self.source, root, LAYOUTS)
        if kind == "images" and place.layouts and place.name in CATALOG:
            entry = CATALOG[place.name]
            split = self.part if self.part in entry.splits else entry.transfer.get(self.part)
            if split is None:
                names = ", ".join(dict.fromkeys([*entry.splits, *entry.transfer]))
                checks.refuse(f"{place.name}@PART", f"one of {names}", self.part)
            return CatalogImages(place.name, place.path, split=split)
        checks.choice(f"{place.name}@PART", self.part, get_args(Part))
        return open_set(kind, self.source, root, part=cast(Part, self.part))


class Asked(NamedTuple):
    """A data set as it was asked for.

    Attributes:
        name: that was given, or ``""``.
        images: the set; or those to train on and to test on; or those of the base classes to train
            on and to test on, and those of the novel classes.
    """

    name: str
    images: tuple[Images, ...]


def read_asked(name: str, data_set: DataSet, root: str | Path) -> list[Asked]:
    """What a user means; several sets for the name of a group.

    Args:
        name: in a mapping; else ``""``.
        data_set: see `run_suite`.
        root: the folder that holds the sets.

    Raises:
        ValueError: if the text has another form.

    Example:
        >>> (asked,) = read_asked("", "mine=dtd@train:my_textures", "data")
        >>> asked.name, [tuple(images) for images in asked.images]
        ('mine', [('dtd', 'train'), ('my_textures', '')])
    """
    if isinstance(data_set, ImageSource):
        return [Asked(name, (Images(data_set),))]
    if isinstance(data_set, tuple):
        images = [
            Images(part) if isinstance(part, ImageSource) else _images(str(part), root)
            for part in data_set
        ]
        if not (name or isinstance(data_set[0], ImageSource)):
            checks.refuse("data_sets", "a mapping of names to tuples", data_set, FORMS)
        return [_checked(Asked(name, tuple(images)), root)]
    text = str(data_set)
    if text in GROUPS and not _exists(text, root):
        if name:
            remedy = f"It stands for {', '.join(GROUPS[text])}: name these."
            checks.refuse("data_sets", f"one set for the name {name!r}", text, remedy)
        return [asked for member in GROUPS[text] for asked in read_asked("", member, root)]
    label, written = ("", text) if _exists(text, root) else split_name(text)
    texts = [written] if _exists(written, root) else _PARTS.split(written)
    if len(texts) == 1:
        return [_read_set(name, label, text, root)]
    if not (name or label) or len(texts) > 3 or not all(texts):
        checks.refuse("data_sets", "named, with two or three sets of images", text, FORMS)
    return [_checked(Asked(name or label, tuple(_images(part, root) for part in texts)), root)]


def _read_set(name: str, label: str, text: str, root: str | Path) -> Asked:
    """A set, or a part of it. What `locate` makes of ``NAME=SET`` holds for it."""
    images = _images(text, root)
    is_layout = any(layout.matches is None and layout.name == label for layout in LAYOUTS)
    if images.part and label and not is_layout:  # NAME=SET@PART, where SET may be a name, too
        name, images = name or label, _images(split_name(text)[1], root)
    return Asked(name, (images,))


def _images(text: str, root: str | Path) -> Images:
    match = None if _exists(text, root) else _PART.fullmatch(text)
    return Images(match[1], match[2]) if match else Images(text)


def _exists(text: str, root: str | Path) -> bool:
    return (Path(root) / text).exists() or Path(text).exists()


def _checked(asked: Asked, root: str | Path) -> Asked:
    written = [images for images in asked.images if not isinstance(images.source, ImageSource)]
    places = [images.identity(root) for images in written]
    for row, place in enumerate(places):
        if place in places[:row]:
            checks.refuse(
                "data_sets",
                f"of different images for each part of {asked.name!r}",
                without_secrets(written[row].source),
                "A set that has parts of its own is named once, alone.",
            )
    return asked


def shown_name(asked: Sequence[Images], root: str | Path) -> str:
    """What tables call a set without a name."""
    first = asked[0]
    if isinstance(first.source, ImageSource):
        return first.source.name
    place = locate(first.source, root, LAYOUTS)
    return f"{place.name}@{first.part}" if first.part else place.name
