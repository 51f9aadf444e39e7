"""What a study runs, read from a YAML file: data, backbone, methods, learning rates, targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from instdisc import checks
from instdisc.checks import checked_call

FOLDER = Path(__file__).parent / "presets"
SOURCE = "source"  # what a preset calls the set of the pretraining among the targets


class Source(NamedTuple):
    """The images of the pretraining.

    Attributes:
        name: what records call them.
        train: a folder below the data root.
        test: likewise, of the same classes.
        held_out: share of the images of each class of `train` that no pretraining sees: learning
            rates are chosen on them.
        per_class: so many images of each class of the rest are what the tasks on the source learn
            from; ``None``: all.
    """

    name: str
    train: str
    test: str
    held_out: float = 0.1
    per_class: int | None = None


class Method(NamedTuple):
    """A way to pretrain.

    Attributes:
        module: a module of `instdisc`, or ``my_file.MyMethod``; ``""``: none, the weights stay
            random.
        policy: one of the preset's policies.
        settings: arguments of the module that differ from the shared ones.
    """

    module: str
    policy: str
    settings: Mapping[str, Any] = {}


class Rates(NamedTuple):
    """How the learning rate of each method is chosen.

    Attributes:
        grid: what is tried.
        epochs: of a trial.
        seed: of the trials; none of the study's.
    """

    grid: Sequence[float]
    epochs: int
    seed: int


class Suite(NamedTuple):
    """Tasks on data sets.

    Attributes:
        sets: names, or mappings ``{set: NAME, per_class: 50}``, ``{scenes: [2000, 600]}``;
            ``source`` is the set of the pretraining.
        tasks: names in `instdisc.transfer.TASKS`.
        options: of the tasks.
        metrics: those that are committed; ``None``: all.
        keep: of `run_suite`.
    """

    sets: Sequence[str | Mapping[str, Any]]
    tasks: Sequence[str]
    options: Mapping[str, Mapping[str, Any]] = {}
    metrics: Sequence[str] | None = None
    keep: Literal["nothing", "memory"] = "nothing"


class Round(NamedTuple):
    """A part of every cell.

    Attributes:
        name: of the part.
        suites: what is measured.
        seeds: of the cells.
        methods: of the cells; ``None``: all.
    """

    name: str
    suites: Sequence[Suite]
    seeds: Sequence[int]
    methods: Sequence[str] | None = None


class Preset(NamedTuple):
    """What a study runs.

    Attributes:
        name: of the files of its records.
        source: images of the pretraining.
        image_size: side of the views in pixels.
        backbone: arguments of `Backbone`.
        policies: names of view policies, by the names that methods use.
        epochs: of a pretraining.
        batch_size: images of a step.
        settings: arguments that all modules share; each gets those that it takes.
        trainer: arguments of Lightning's Trainer.
        methods: by name, in the order in which cells run.
        rates: the choice of learning rates; ``None``: each module has its own.
        rounds: run one after another; within a round seed after seed, so that whatever is there
            when a study stops compares the methods by as many seeds, but for the last seed.
        data: arguments of `ViewData`, such as ``keep`` and ``num_workers``.
        measures: of the rules, where they differ: another source has other targets.
        threads: of the processor, for all that is computed, so that a number is the same however
            many there are; ``None``: as many as torch takes.
    """

    name: str
    source: Source
    image_size: int
    backbone: Mapping[str, Any]
    policies: Mapping[str, str]
    epochs: int
    batch_size: int
    settings: Mapping[str, Any]
    trainer: Mapping[str, Any]
    methods: Mapping[str, Method]
    rates: Rates | None
    rounds: Sequence[Round]
    data: Mapping[str, Any] = {}
    measures: Mapping[str, Any] = {}
    threads: int | None = None


@checked_call()
def read_preset(name: str | Path) -> Preset:
    """Reads a preset.

    Args:
        name: ``"cpu"``, ``"gpu"``, ``"full"``, or a YAML file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a key is unknown or missing, or a name is used that is not there.

    Example:
        >>> read_preset("cpu").source.name
        'cifar10_mini'
    """
    path = preset_file(name)
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    preset = _fields(Preset, {"name": path.stem, **_mapping(path.name, said)}, path.name)
    preset = preset._replace(
        source=_fields(Source, preset.source, "source"),
        rates=None if preset.rates is None else _fields(Rates, preset.rates, "rates"),
        methods={
            method: _fields(Method, entry, f"methods.{method}")
            for method, entry in _mapping("methods", preset.methods).items()
        },
        rounds=[_round(entry, place) for place, entry in enumerate(preset.rounds)],
    )
    for method, entry in preset.methods.items():
        checks.choice(f"methods.{method}.policy", entry.policy, list(preset.policies))
    for entry in preset.rounds:
        for method in entry.methods or ():
            checks.choice(f"rounds.{entry.name}.methods", method, list(preset.methods))
    return preset


def preset_file(name: str | Path) -> Path:
    """The file of a preset: of the package, or a YAML file.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    path = FOLDER / f"{name}.yaml"
    return path if path.is_file() else checks.input_file("preset", name)


def _round(said: Any, place: int) -> Round:
    entry = _fields(Round, said, f"rounds[{place}]")
    suites = [
        _fields(Suite, suite, f"rounds.{entry.name}.suites[{row}]")
        for row, suite in enumerate(entry.suites)
    ]
    return entry._replace(suites=suites)


def _fields(kind: type[Any], said: Any, where: str) -> Any:
    """A named tuple of what a mapping says."""
    said = _mapping(where, said)
    for name in said:
        checks.choice(where, name, list(kind._fields))
    missing = set(kind._fields) - set(kind._field_defaults) - set(said)
    if missing:
        checks.refuse(where, f"a mapping with {', '.join(sorted(missing))}", sorted(said))
    return kind(**said)


def _mapping(where: str, said: Any) -> dict[str, Any]:
    return dict(checks.instance(where, said, Mapping, "a mapping"))
