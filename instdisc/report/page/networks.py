"""Who a report is about: each network with its file, its size, its view and its recipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from instdisc.types import Record

from ..labels import shortest_names


class Network(NamedTuple):
    """One row of the table of networks.

    Attributes:
        label: as in every table of the page.
        pretraining: how it was pretrained, as its file tells.
        architecture: e.g. ``"resnet50"``.
        parameters: e.g. ``"25.6 M"``.
        files: of its weights, with as much of their paths as tells them apart.
        weights: the first eight digits of each hash.
        views: how images were shown for what is compared, each once; of all if nothing is.
        seeds: of its records.
        recipe: of its file, if it still tells; names and values.
    """

    label: str
    pretraining: str
    architecture: str
    parameters: str
    files: list[str]
    weights: list[str]
    views: list[str]
    seeds: list[int]
    recipe: list[tuple[str, str]]


def describe_networks(records: Iterable[Record], compared: Iterable[Record]) -> list[Network]:
    """The networks of a report, in the order in which they appear.

    Args:
        records: each under the label of its method.
        compared: those of the headline results, likewise.
    """
    of_label: dict[str, list[Record]] = {}
    views: dict[str, dict[str, None]] = {}
    for record in records:
        of_label.setdefault(record.method, []).append(record)
    for record in compared:
        views.setdefault(record.method, {}).setdefault(describe_view(record.view))
    paths = [r.checkpoint for group in of_label.values() for r in group if r.checkpoint]
    names = shortest_names(paths)
    return [_network(label, group, names, views.get(label)) for label, group in of_label.items()]


def describe_view(view: Mapping[str, Any]) -> str:
    """How images were shown, in a few words.

    Example:
        >>> describe_view({"size": 224, "resize": 256, "keep_aspect": False})
        '224 px of 256 px, squeezed'
    """
    words = []
    if "size" in view:
        resized = view.get("resize")
        of = f" of {_side(resized)}" if resized not in (None, view["size"]) else ""
        words.append(f"{_side(view['size'])}{of}")
    elif "short_side" in view:
        words.append(f"short side {_side(view['short_side'])}")
    if view.get("keep_aspect") is False:
        words.append("squeezed")
    if view.get("interpolation", "bilinear") != "bilinear":
        words.append(str(view["interpolation"]))
    if view.get("precision", "32-true") != "32-true":
        words.append(str(view["precision"]))
    return ", ".join(words)


def short_count(number: int) -> str:
    """A count in millions or thousands; empty for 0, which is unknown.

    Example:
        >>> short_count(25557032), short_count(9216)
        ('25.6 M', '9.2 k')
    """
    if number >= 1e6:
        return f"{number / 1e6:.1f} M"
    if number >= 1e3:
        return f"{number / 1e3:.1f} k"
    return str(number or "")


def _network(
    label: str,
    records: Sequence[Record],
    names: Mapping[str, str],
    views: Iterable[str] | None,
) -> Network:
    shown = views or dict.fromkeys(describe_view(record.view) for record in records)
    files = dict.fromkeys(record.checkpoint for record in records if record.checkpoint)
    return Network(
        label=label,
        pretraining=_joined(record.pretraining for record in records),
        architecture=_joined(record.architecture for record in records),
        parameters=_joined(short_count(record.parameters) for record in records),
        files=[names[file] for file in files],
        weights=list(dict.fromkeys(record.weights[:8] for record in records if record.weights)),
        views=[view for view in shown if view],
        seeds=sorted({record.seed for record in records}),
        recipe=next(filter(None, map(_recipe, files)), []),
    )


def _recipe(file: str) -> list[tuple[str, str]]:
    """What an export tells of its pretraining; nothing if it is gone or of another kind."""
    if not file.endswith(".safetensors") or not Path(file).is_file():
        return []
    try:
        with safe_open(file, "numpy") as opened:
            recipe = json.loads((opened.metadata() or {}).get("recipe", "{}"))
    except (OSError, ValueError, SafetensorError):
        return []
    return [(name.replace("_", " "), _plain(value)) for name, value in sorted(recipe.items())]


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, texts)))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _side(side: Any) -> str:
    return f"{' x '.join(map(str, side))} px" if isinstance(side, list | tuple) else f"{side} px"
