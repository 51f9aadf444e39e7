"""The backbones that a suite is run on, looked at before anything runs."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from instdisc import checks
from instdisc.checkpoint import load_backbone, open_backbone
from instdisc.models import Backbone
from instdisc.types import About, InputSpec

Checkpoint = str | Path | Backbone
Checkpoints = Sequence[Checkpoint] | Mapping[str, Checkpoint]
RANDOM = "random"
_ELSEWHERE = ("timm", "hf-hub")  # begin addresses that `open_backbone` takes


class Subject(NamedTuple):
    """A backbone to evaluate.

    Attributes:
        name: in the table.
        about: what records say of it.
        input: how it sees images.
        load: gives a new backbone at each call: a task may train it.
    """

    name: str
    about: About
    input: InputSpec
    load: Callable[[], Backbone]


def find_subjects(
    checkpoints: Checkpoints, seed: int, miss: Callable[[str, str], None]
) -> list[Subject]:
    """The backbones, named; a file that is not there is missed.

    Every file is loaded once here, so that a broken one is an error before anything runs.

    Args:
        checkpoints: see `run_suite`.
        seed: of random weights.
        miss: called with what is missing, and why.

    Raises:
        ValueError: if there is none, a file is no checkpoint or holds weights that are not finite,
            a name is given twice, or nothing tells the architecture of a random backbone.
        TypeError: if one is neither a file nor a `Backbone`, or a name is no text.
    """
    asked: list[tuple[str, Checkpoint]]
    if isinstance(checkpoints, Mapping):
        asked = [(_text(name), _checked(source)) for name, source in checkpoints.items()]
    elif not isinstance(checkpoints, Sequence) or isinstance(checkpoints, str):
        raise TypeError(
            f"`checkpoints` must be a list or a mapping, got {checkpoints!r}: put it into a list"
        )
    else:
        asked = _each_once(map(_named, checkpoints))
    if not asked:
        checks.refuse("checkpoints", "a list of at least one", checkpoints)
    subjects: list[Subject | None] = []
    for name, source in asked:
        subjects.append(None if _is_random(source) else _subject(name, source, miss))
    present = [subject for subject in subjects if subject is not None]
    backbones = []
    for (name, source), subject in zip(asked, subjects, strict=True):
        if _is_random(source):
            backbones += _random(name, str(source), present, seed)
        elif subject is not None:
            backbones.append(subject)
    return _told_apart(backbones, {name for name, _ in asked if name})


def _named(source: Checkpoint) -> tuple[str, Checkpoint]:
    if isinstance(_checked(source), Backbone) or _file(source) is not None:
        return "", source
    name, equals, path = str(source).partition("=")
    return (name, path) if equals else ("", source)


def _checked(source: Checkpoint) -> Checkpoint:
    if not isinstance(source, str | Path | Backbone):
        raise TypeError(
            f"`checkpoints` must be files, names or Backbones, got {type(source).__name__}"
        )
    return source


def _each_once(asked: Iterable[tuple[str, Checkpoint]]) -> list[tuple[str, Checkpoint]]:
    first: dict[object, tuple[str, Checkpoint]] = {}
    for pair in asked:
        first.setdefault(_identity(*pair), pair)
    return list(first.values())


def _text(name: object) -> str:
    if not isinstance(name, str):
        checks.refuse("checkpoints", "named by texts", name, kind=TypeError)
    return name


def _file(source: Checkpoint) -> tuple[Path, str] | None:
    """The file that is meant and the architecture given for it; ``None`` if there is no such."""
    if isinstance(source, Backbone):
        return None
    text = str(source)
    file, colon, architecture = text.rpartition(":")
    if Path(text).is_file():
        return Path(text), ""
    return (Path(file), architecture) if colon and Path(file).is_file() else None


def _identity(name: str, source: Checkpoint) -> object:
    """Equal for two spellings of one file."""
    file = _file(source)
    return name, source if file is None else (file[0].resolve(), file[1])


def _is_random(source: Checkpoint) -> bool:
    return isinstance(source, str) and source.partition(":")[0] == RANDOM


def _subject(name: str, source: Checkpoint, miss: Callable[[str, str], None]) -> Subject | None:
    if isinstance(source, Backbone):
        about = source.about()
        shown = name or about.method or about.architecture
        _check_finite(source, shown)
        return Subject(shown, about, source.input, functools.partial(copy.deepcopy, source))
    text, file = str(source), _file(source)
    load: Callable[[], Backbone]
    if file is not None:
        load = functools.partial(load_backbone, file[0], file[1] or None)
    elif ":" in text and text.partition(":")[0] in _ELSEWHERE:
        load = functools.partial(open_backbone, text)
    else:
        miss(f"the checkpoint {text}", "there is no such file")
        return None
    backbone = load()
    _check_finite(backbone, name or text)
    about = backbone.about()
    return Subject(name or about.method or Path(text).stem, about, backbone.input, load)


def _check_finite(backbone: Backbone, name: str) -> None:
    broken = [
        name for name, value in backbone.state_dict().items() if not bool(value.isfinite().all())
    ]
    if broken:
        raise ValueError(
            f"`checkpoints` must have finite weights; {broken[0]!r} of {name!r} has not "
            f"({len(broken)} such tensors). The training diverged; load an earlier checkpoint."
        )


def _random(name: str, source: str, present: Sequence[Subject], seed: int) -> list[Subject]:
    """Random weights: in the architecture that is named, or in each of the checkpoints'."""
    architecture = source.partition(":")[2]
    if architecture:
        return [_drawn(name, {"name": architecture}, None, seed)]
    specs: dict[str, tuple[dict[str, object], InputSpec]] = {}
    for subject in present:
        spec = subject.load().spec
        specs.setdefault(repr((sorted(spec.items()), subject.input)), (spec, subject.input))
    if not specs:
        raise ValueError(
            "the architecture of 'random' is that of the checkpoints, and none is there. "
            "Write for example 'random:resnet50'."
        )
    several = len(specs) > 1
    return [
        _drawn(f"{name} ({spec['name']})" if name and several else name, spec, seen, seed)
        for spec, seen in specs.values()
    ]


def _drawn(name: str, spec: Mapping[str, object], seen: InputSpec | None, seed: int) -> Subject:
    load = _Drawn(spec, seen, seed)
    backbone = load()
    shown = name or f"{RANDOM} ({backbone.name})"
    return Subject(shown, backbone.about(), backbone.input, load)


class _Drawn:
    """Gives new backbones with the same random weights; another process draws them again."""

    def __init__(self, spec: Mapping[str, object], seen: InputSpec | None, seed: int) -> None:
        self._arguments = dict(spec), seen, seed
        self._backbone: Backbone | None = None

    def __call__(self) -> Backbone:
        if self._backbone is None:
            spec, seen, seed = self._arguments
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self._backbone = Backbone(**spec)  # type: ignore[arg-type]
            self._backbone.input = self._backbone.input if seen is None else seen
            self._backbone.origin = About(method=RANDOM, pretraining=RANDOM)
        return copy.deepcopy(self._backbone)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_backbone": None}


def _told_apart(subjects: list[Subject], names: set[str]) -> list[Subject]:
    """Subjects of different names: those made alike are called by where their files lie."""
    alike: dict[str, list[int]] = {}
    for row, subject in enumerate(subjects):
        alike.setdefault(subject.name, []).append(row)
    for name, rows in alike.items():
        if len(rows) == 1:
            continue
        if name in names:
            raise ValueError(f"`checkpoints` must have different names, got {name!r} twice")
        labels = _labels([subjects[row] for row in rows])
        for row, label in zip(rows, labels, strict=True):
            subjects[row] = subjects[row]._replace(name=f"{name} ({label})")
    return subjects


def _labels(subjects: Sequence[Subject]) -> list[str]:
    architectures = [subject.about.architecture for subject in subjects]
    if len(set(architectures)) == len(subjects):
        return architectures
    files = [subject.about.checkpoint for subject in subjects]
    places = [Path(file).resolve() for file in files if file]
    if len(set(places)) < len(subjects):
        return [str(number) for number in range(1, len(subjects) + 1)]
    while len({place.name for place in places}) == 1:  # all end in backbone.safetensors
        places = [place.parent for place in places]
    above = os.path.commonpath([place.parent for place in places])
    return [os.path.relpath(place, above) for place in places]
