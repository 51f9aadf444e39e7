"""What a record was asked for, apart from what its run chose, measured or happened to have.

Two records may be pooled over seeds only if all that was asked for is equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from instdisc.types import Record

# Of a run, not asked of it: what it measured on the way, what follows from its seed, and where it
# ran. A name that is missing here keeps records apart, and never mixes them.
_OF_THE_RUN = {
    *("gradient", "iterations", "epoch", "per_point", "curve", "points_not_counted", "interval"),
    *("base", "shrinkage", "ranks"),  # of invariance, of the H-score, of alpha
    *("seed", "seconds", "job", "job_records", "predictions", "pictures", "folder", "progress"),
    *("num_workers", "workers", "device", "devices", "accelerator", "episodes_digest"),
}
_OF_THE_RUN_ENDS = ("_seed", "_seconds")
_MISSING = object()
# Drawn by the seed, if nothing else was given: two lists of episodes under one seed are two tests.
DRAWN = ("settings.episode_seed", "settings.episodes_digest")
_SCORE = "validation"  # of a candidate in a grid of recipes or penalties


def asked(record: Record) -> dict[str, Any]:
    """View, settings and release that a record depends on, by dotted names.

    A list of candidates that were scored on validation images (``grid``, ``penalties``) counts
    without its scores, and what was chosen from it (``learning_rate``, ``penalty``) does not
    count. Nor does the ``penalty`` that was chosen from a plain list of ``penalties``.

    Args:
        record: any.

    Example:
        >>> grid = [{"rate": 0.1, "validation": 60.0}, {"rate": 1.0, "validation": 50.0}]
        >>> asked(Record("linear", "scenes", "top-1", 71.5, view={"size": 224},
        ...     settings={"epochs": 5, "rate": 0.1, "grid": grid}))
        {'view.size': 224, 'settings.epochs': 5, 'settings.grid': [{'rate': 0.1}, {'rate': 1.0}]}
    """
    chosen = {
        name
        for value in record.settings.values()
        if _are_candidates(value)
        for candidate in value
        for name in candidate
    }
    if record.settings.get("penalties"):
        chosen.add("penalty")
    settings = {name: value for name, value in record.settings.items() if name not in chosen}
    release = record.versions.get("instdisc")
    return {
        **_flat("view", record.view),
        **_flat("settings", settings),
        **({"release": release} if release else {}),
    }


def drawn(record: Record) -> dict[str, Any]:
    """What the seed drew, by the names of `DRAWN`."""
    settings = {f"settings.{name}": value for name, value in record.settings.items()}
    return {name: settings[name] for name in DRAWN if name in settings}


def differing(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names whose values are not the same in all items, in the order in which they appear.

    Example:
        >>> differing([{"size": 224, "k": 20}, {"size": 96, "k": 20}, {"k": 20}])
        ['size']
    """
    items = list(items)
    names = dict.fromkeys(name for item in items for name in item)
    first = items[0] if items else {}
    return [
        name
        for name in names
        if any(item.get(name, _MISSING) != first.get(name, _MISSING) for item in items)
    ]


def canonical(item: Mapping[str, Any], names: Sequence[str]) -> str:
    """Some values of an item as a text that is the same for equal values alone."""
    kept = {name: item[name] for name in names if name in item}
    return json.dumps(kept, sort_keys=True, default=str)


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    if _are_candidates(value):
        return {prefix: [_flat_candidate(candidate) for candidate in value]}
    if not isinstance(value, Mapping):
        return {prefix: _as_read(value)}
    parts: dict[str, Any] = {}
    for name, part in value.items():
        if not _is_of_the_run(str(name)):
            parts.update(_flat(f"{prefix}.{name}", part))
    return parts


def _flat_candidate(candidate: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _as_read(value)
        for name, value in candidate.items()
        if name != _SCORE and not _is_of_the_run(name)
    }


def _as_read(value: Any) -> Any:
    """A value as JSON gives it back: a tuple is a list."""
    if isinstance(value, list | tuple):
        return [_as_read(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _as_read(part) for name, part in value.items()}
    return value


def _are_candidates(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(part, Mapping) and _SCORE in part for part in value)
    )


def _is_of_the_run(name: str) -> bool:
    return name in _OF_THE_RUN or name.endswith(_OF_THE_RUN_ENDS)
