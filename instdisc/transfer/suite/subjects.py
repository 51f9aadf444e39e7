"""The backbones that a suite is run on, looked at before anything runs."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from instdisc.checkpoint import load_backbone
from instdisc.models import Backbone

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
    names = {path: name or backbone_origin(path)[0] for name, path in files}
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
