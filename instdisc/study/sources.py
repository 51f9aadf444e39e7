"""The sets of a study: what is pretrained on, and the targets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from instdisc.data import (
    ImageFolder,
    ImageSource,
    Scenes,
    StratifiedSubset,
    open_images,
    split_per_class,
)

from .preset import SOURCE, Preset, Suite

Pair = tuple[ImageSource, ImageSource]


class SourceImages(NamedTuple):
    """The set of the pretraining.

    Attributes:
        train: what methods see.
        held_out: what learning rates are chosen on.
        readout: what the tasks on the source learn from, a part of `train`.
        test: what they are tested on.
    """

    train: ImageSource
    held_out: ImageSource
    readout: ImageSource
    test: ImageSource


def open_source(preset: Preset, data_root: Path) -> SourceImages:
    """Opens the set of the pretraining; its parts are the same in every cell.

    Raises:
        FileNotFoundError: if it is not there.
    """
    source = preset.source
    train, held_out = split_per_class(ImageFolder(data_root / source.train), 1 - source.held_out)
    few = source.per_class
    readout = train if few is None else StratifiedSubset(train, per_class=few)
    return SourceImages(train, held_out, readout, ImageFolder(data_root / source.test))


def open_sets(
    preset: Preset, suite: Suite, data_root: Path, source: SourceImages
) -> dict[str, str | Pair]:
    """The sets of a suite by the names that records have."""
    return dict(_open_set(preset, said, data_root, source) for said in suite.sets)


def _open_set(
    preset: Preset, said: str | Mapping[str, Any], data_root: Path, source: SourceImages
) -> tuple[str, str | Pair]:
    if said == SOURCE:
        return preset.source.name, (source.readout, source.test)
    if isinstance(said, str):
        return said, said
    if "scenes" in said:
        size, (train, test) = preset.image_size, said["scenes"]
        return "scenes", (
            Scenes(train, image_size=size),
            Scenes(test, image_size=size, split="test"),
        )
    name = said["set"]
    train, test = (open_images(name, data_root, part=part) for part in ("train", "test"))
    return name, (StratifiedSubset(train, per_class=said["per_class"]), test)
