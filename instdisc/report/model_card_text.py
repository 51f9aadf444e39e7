"""The sentences and lists of a model card."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from instdisc.types import Record

from .grid import Grid
from .identity import asked, differing
from .labels import label
from .markdown import escape_markdown
from .model_card_export import Export

_OF_FILES = ("hashed", "digest", "release")  # settings that tell which files, not how


def card_summary(export: Export, record: Record) -> str:
    """The first sentence.

    Args:
        export: of the card.
        record: one of its results.
    """
    size = f" of {record.parameters:,} parameters" if record.parameters else ""
    made = f" It was pretrained by `{export.method}`." if export.method else ""
    return (
        f"An image encoder: a `{export.architecture}`{size} without classifier, which turns images "
        f"into features.{made}"
    )


def card_facts(export: Export, record: Record, license: str | None) -> list[tuple[str, str]]:
    """Label and value of what it is.

    Args:
        export: of the card.
        record: one of its results.
        license: of the weights.
    """
    stem = {} if export.stem == "imagenet" else {"stem": export.stem}
    options = [f"{name} {_value(value)}" for name, value in {**stem, **export.options}.items()]
    facts = [("architecture", ", ".join([f"`{export.architecture}`", *options]))]
    if record.parameters:
        facts.append(("parameters", f"{record.parameters:,}"))
    if export.input:
        facts.append(("input", _input(export.input)))
    if export.weights or record.weights:
        facts.append(("hash of the weights", f"`{export.weights or record.weights}`"))
    facts.append(("license", license or "none is stated"))
    return facts


def card_pretraining(export: Export) -> str:
    """How it was made, before the table of settings.

    Args:
        export: of the card.
    """
    if not export.method:
        return "The file does not tell how it was pretrained."
    start = export.recipe.get("start") or {}
    begun = ""
    if start:
        file = f" (`{_last_part(start['checkpoint'])}`)" if start.get("checkpoint") else ""
        begun = f" It began with weights of {start.get('pretraining') or 'a file'}{file}."
    told = " Settings:" if card_recipe(export) else " The file does not tell its settings."
    return f"By `{export.method}` of instdisc {export.version}.{begun}{told}"


def card_recipe(export: Export) -> list[tuple[str, str]]:
    """Label and value of every setting.

    Args:
        export: of the card.
    """
    # The backbone stands above, its start in a sentence.
    hidden = {"backbone", "start", "changes"}
    rows = [(n, _value(v)) for n, v in sorted(export.recipe.items()) if n not in hidden]
    for change in export.recipe.get("changes") or []:
        values = f"{_value(change['before'])} to {_value(change['after'])}"
        rows.append((f"{change['name']}, from step {change['step']}", values))
    return [(escape_markdown(name), value) for name, value in rows]


def card_protocols(records: Sequence[Record]) -> list[str]:
    """A line for each task: the settings that it had on all data sets.

    Args:
        records: of the card.
    """
    tasks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        tasks[record.task].append(asked(record))
    lines = []
    for task, items in tasks.items():
        varying = differing(items)
        settings = {
            name: value
            for name, value in items[0].items()
            if name not in varying and isinstance(value, bool | int | float | str)
        }
        names = [name for name in settings if not name.endswith(_OF_FILES)]
        if names:
            lines.append(escape_markdown(f"{task}: {label(settings, names)}"))
    return lines


def card_limits(grid: Grid) -> list[str]:
    """What the numbers do not say.

    Args:
        grid: of the card; its first method is the one.
    """
    pooled = [cell.pooled for (method, _), cell in grid.cells.items() if method == 0]
    limits = [
        "It has no classifier: classes, boxes and masks need a head that is trained on its "
        "features.",
        "The results hold for these data sets and protocols. Other sizes or another normalisation "
        "of the images change the features.",
    ]
    if any(cell.low is not None for cell in pooled):
        limits.append(
            "An interval tells what other test images or episodes would change, or other seeds "
            "where it says so. All results are of one pretraining: another run of the same recipe "
            "may differ by more."
        )
    if all(len(cell.records) == 1 for cell in pooled):
        limits.append("Each result is of one seed.")
    limits.append("This card does not know the training images; their terms and biases apply.")
    return limits


def card_versions(export: Export, records: Sequence[Record]) -> list[str]:
    """With what it was trained and tested, and when.

    Args:
        export: of the card.
        records: of the card.
    """
    versions = {
        f"{name} {value}" for record in records for name, value in record.versions.items() if value
    }
    devices = sorted({record.device for record in records if record.device})
    dates = sorted(record.date[:10] for record in records if record.date)
    lines = [f"trained or exported by instdisc {export.version}"]
    if versions:
        lines.append(f"tested with {', '.join(sorted(versions))}")
    if devices:
        lines.append(f"on {', '.join(devices)}")
    if dates:
        lines.append(" to ".join(dict.fromkeys((dates[0], dates[-1]))))
    return [escape_markdown(line) for line in lines]


def _input(seen: dict[str, Any]) -> str:
    size = seen.get("size")
    size = f"{size} px" if isinstance(size, int) else " x ".join(map(str, size or ())) + " px"
    numbers = (f"{part} {seen[part]}" for part in ("mean", "std") if seen.get(part))
    return (
        f"RGB in [0, 1], {size}, {seen.get('interpolation')}, crop {seen.get('crop')}, "
        f"normalised by {' and '.join(numbers)}"
    )


def _value(value: Any) -> str:
    """A setting as text, without the folders of the machine that trained it."""
    if isinstance(value, str):
        return escape_markdown(_last_part(value)) or "none"
    return escape_markdown(json.dumps(value, default=str))


def _last_part(text: str) -> str:
    for path in (PurePosixPath(text), PureWindowsPath(text)):
        if path.is_absolute():
            return path.name
    return text
