"""What has run and what has not, and other limits: computed from the records."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from ..preset import FOLDER
from .material import Study
from .tables import plain_table
from .values import Column, Values
from .words import NOTHING, counted, label, listed

_NORMAL = 1.96  # half of a 95 % interval in standard errors, of many seeds
_OVER_METHODS = ("tau", "correlation", "predictor")  # kinds of parts


def progress(study: Study) -> str:
    """How many cells are there, in a sentence."""
    wanted, done = _cells(study)
    count = sum(cell in done for cell in wanted)
    if not done:
        return f"Nothing has run yet: none of {len(wanted)} cells is there."
    if count == len(wanted):
        return f"All {counted(count, 'cell')} of the preset have run."
    return f"{count} of {counted(len(wanted), 'cell')} of the preset have run."


def limits(study: Study, values: Values) -> list[str]:
    """Sentences on scale, seeds and what is missing, as a list, and the table of seeds."""
    lines = [
        *(_scale(study), _seeds(study), *_precision(study)),
        *(*_missing_cells(study), *_unrun(study, values)),
    ]
    texts = ["\n".join(f"- {line}" for line in lines if line)]
    table = coverage_table(study, values)
    if table:
        texts += [
            "Seeds of which there are records, by measure of the rules and method, fewest to most "
            f"where its sets differ; {NOTHING}: none.",
            table,
        ]
    return texts


def coverage_table(study: Study, values: Values) -> str:
    """The number of seeds of each method for each measure; ``""`` without records."""
    methods = [name for name in study.methods if name in {row.method for row in study.records}]
    if not methods:
        return ""
    rows = []
    for name, needs in _needs(study).items():
        counts = [[_count(values, method, columns) for columns in needs] for method in methods]
        rows.append([name, counted(len(needs), "set"), *map(_span, counts)])
    return plain_table(["measure", "of", *map(label, methods)], rows, 2)


def _scale(study: Study) -> str:
    sizes = sorted({row.parameters for row in study.records if row.parameters})
    size = study.preset["image_size"]
    text = f"Scale: images of {size} pixels a side"
    if sizes:
        text += f", backbones of {listed([f'{count:,}' for count in sizes])} parameters"
    steps = sorted({row["steps"] for row in study.cells if row.get("steps")})
    if steps:
        text += f", {listed([f'{count:,}' for count in steps])} steps"
    return f"{text}. Nothing here says what holds at the papers' scale."


def _seeds(study: Study) -> str:
    """How many seeds methods have, and which have too few for a verdict."""
    seeds: dict[str, set[int]] = {name: set() for name in study.methods}
    for row in study.cells:
        seeds[row["method"]].add(row["seed"])
    counts: dict[int, list[str]] = {}
    for name, of_method in seeds.items():
        counts.setdefault(len(of_method), []).append(label(name))
    told = [
        f"{counted(count, 'seed')} of {listed(names)}"
        for count, names in sorted(counts.items(), reverse=True)
    ]
    fewest = study.rules["fewest_seeds"]
    few = sum(len(of_method) < fewest for of_method in seeds.values())
    reached = f"{few} of {counted(len(seeds), 'method')} have fewer" if few else "all have as many"
    return f"Seeds: {'; '.join(told)}. A verdict asks for {fewest}; {reached}."


def _precision(study: Study) -> list[str]:
    """What more seeds would not mend: few test images, few methods."""
    parts = [part for row in study.verdicts for part in row["parts"] if part["low"] is not None]
    shares = sorted(
        _NORMAL * part["image_error"] / ((part["high"] - part["low"]) / 2)
        for part in parts
        if part.get("image_error") and part["high"] > part["low"]
    )
    lines = []
    if shares:
        lines.append(
            "Test images: their error alone, which more seeds do not lessen, makes "
            f"{shares[0]:.0%} to {shares[-1]:.0%} of the half widths of the intervals of "
            f"{counted(len(shares), 'quantity', 'quantities')} of the claims, "
            f"{median(shares):.0%} in the median.".replace("%", " %")
        )
    over = [len(part["methods"]) for part in parts if part["kind"] in _OVER_METHODS]
    if over:
        lines.append(
            f"Methods: {counted(len(over), 'quantity', 'quantities')} of the claims "
            f"{'is' if len(over) == 1 else 'are'} resampled over {min(over)} methods, which is "
            "few: the intervals are rough."
        )
    return lines


def _missing_cells(study: Study) -> list[str]:
    """What the preset asks for and is not there, by round and seed."""
    wanted, done = _cells(study)
    lines = []
    for entry in study.preset["rounds"]:
        left: dict[int, list[str]] = {}
        for method, seed, name in wanted:
            if name == entry["name"] and (method, seed, name) not in done:
                left.setdefault(seed, []).append(method)
        of_round = entry.get("methods") or study.preset["methods"]
        told = [
            f"seed {seed}"
            + ("" if len(methods) == len(of_round) else f" of {listed(map(label, methods))}")
            for seed, methods in left.items()
        ]
        if told:
            lines.append(f"Not run in round {entry['name']}: {'; '.join(told)}.")
    others = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != study.name)
    if others:
        lines.append(f"This page is of preset {study.name}; it says nothing of {listed(others)}.")
    return lines


def _unrun(study: Study, values: Values) -> list[str]:
    """Measures of the rules without any record."""
    left = [
        name
        for name, needs in _needs(study).items()
        if not any(_count(values, method, need) for method in study.methods for need in needs)
    ]
    return [f"Measures of the rules without any record: {listed(left)}."] if left else []


def _cells(study: Study) -> tuple[list[tuple[str, int, str]], set[tuple[str, int, str]]]:
    """(method, seed, round) of what the preset asks for, and of what is there."""
    wanted = [
        (method, seed, entry["name"])
        for entry in study.preset["rounds"]
        for seed in entry["seeds"]
        for method in entry.get("methods") or study.preset["methods"]
    ]
    return wanted, {(row["method"], row["seed"], row.get("round", "")) for row in study.cells}


def _needs(study: Study) -> dict[str, list[list[Column]]]:
    """By measure of the rules, for each of its sets the quantities that it needs there."""
    needs: dict[str, list[list[Column]]] = {}
    for name, measure in study.rules["measures"].items():
        parts = measure.get("ranks", [measure])
        needs[name.replace("_", " ")] = [row for part in parts for row in _columns(study, part)]
    for claim in study.rules["claims"]:
        for part in claim["parts"]:
            for name, measure in part.get("predictors", {}).items():
                needs.setdefault(name, _columns(study, measure))
    return needs


def _columns(study: Study, measure: Mapping[str, Any]) -> list[list[Column]]:
    settings = {f"settings.{name}": value for name, value in measure.get("settings", {}).items()}
    return [
        [Column("", task, measure["metric"], (name,), settings) for task in measure["tasks"]]
        for name in map(study.set_name, measure["sets"])
    ]


def _span(counts: list[int]) -> str:
    """Of several sets the fewest and the most seeds."""
    low, high = min(counts), max(counts)
    if high == 0:
        return NOTHING
    return str(low) if low == high else f"{low} to {high}"


def _count(values: Values, method: str, columns: list[Column]) -> int:
    """Seeds that have all of the quantities."""
    summaries = [values.summary(method, column) for column in columns]
    if any(summary is None for summary in summaries):
        return 0
    return len(set.intersection(*(set(s.by_seed) for s in summaries if s is not None)))
