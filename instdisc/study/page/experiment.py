"""The question and the set-up, from the preset, the cells and the trials of learning rates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from instdisc.report.grid import number

from .material import Study
from .tables import plain_table
from .words import NOTHING, counted, label, listed


def question(study: Study) -> str:
    """What the study asks."""
    papers = dict.fromkeys(claim["source"].split(",")[0] for claim in study.rules["claims"])
    cited = [paper for paper in papers if paper != "ours"]
    return (
        f"Do the findings of {listed(cited)} on what transfers hold in an experiment that anyone "
        "can run again? Networks that differ in nothing but their pretraining are measured on the "
        "same targets, and each finding is a claim whose quantity, margin and test were written "
        "down beforehand. A verdict holds at the scale of this study: the papers "
        "train other networks, on other images, for longer."
    )


def setting_paragraph(study: Study) -> str:
    """Source, backbone, budget in sentences."""
    preset, source = study.preset, study.preset["source"]
    steps = sorted({row["steps"] for row in study.cells if row.get("steps")})
    chosen = " to choose learning rates on" if preset["rates"] else ""
    told = (
        f"Source: {study.source}, with {source.get('held_out', 0.1):.0%} of the images of each "
        f"class held out{chosen}. Images have {preset['image_size']} pixels a "
        f"side, a step {preset['batch_size']} of them; a pretraining lasts "
        f"{counted(preset['epochs'], 'epoch')}"
    )
    if steps:
        told += f", {listed([f'{count:,}' for count in steps])} steps"
    told = told.replace("%", " %") + "."
    nets = sorted({(row.architecture, row.parameters) for row in study.records if row.architecture})
    backbone = _options(preset["backbone"])
    told += f" Backbone: {backbone}"
    sizes = [f"{parameters:,} parameters" for _, parameters in nets if parameters]
    told += f" ({listed(dict.fromkeys(sizes))})." if sizes else "."
    policies = [f"{name} is `{policy}`" for name, policy in preset["policies"].items()]
    return f"{told} Views: {listed(policies)}."


def methods_table(study: Study) -> str:
    """How each method was trained, and how its learning rate was chosen."""
    tried = _by_method(study.rates)
    rates = study.preset["rates"] or {"grid": []}
    grid = sorted({*rates["grid"], *(rate for of in tried.values() for rate in of)})
    rows = []
    for method, entry in study.preset["methods"].items():
        seeds = sorted({row["seed"] for row in study.cells if row["method"] == method})
        used = sorted(
            {
                row["learning_rate"]
                for row in study.cells
                if row["method"] == method and row.get("learning_rate") is not None
            }
        )
        rows.append(
            [
                label(method),
                f"`{method}`",
                f"`{entry['module']}`" if entry["module"] else NOTHING,
                entry["policy"] if entry["module"] else NOTHING,
                listed([f"{rate:g}" for rate in used]) if used else NOTHING,
                *(_value(tried.get(method, {}).get(rate)) for rate in grid),
                ", ".join(map(str, seeds)) or NOTHING,
            ]
        )
    columns = [f"at {rate:g}" for rate in grid]
    header = ["method", "in the records", "module", "views", "learning rate", *columns, "seeds"]
    return plain_table(header, rows, None)


def methods_note(study: Study) -> str:
    """What the columns of the learning rates are."""
    rates = study.preset["rates"]
    if rates is None:
        return "Learning rates are those of the modules, but where the settings below say another."
    grid = listed([f"{rate:g}" for rate in rates["grid"]])
    budget = f"{counted(rates['epochs'], 'epoch')} with seed {rates['seed']}"
    text = (
        "At each rate: top-1 in % of a readout on the held-out part of the source, after "
        f"{budget}, for the rates {grid}. A method is to be trained with its best, the smallest of "
        "equals."
    )
    tried = _by_method(study.rates)
    trained = [method for method, entry in study.preset["methods"].items() if entry["module"]]
    left = [label(method) for method in trained if set(tried.get(method, {})) < set(rates["grid"])]
    if left:
        text += f" Not all tried yet: {listed(left)}."
    others = [label(method) for method in trained if _differs(study, method, tried)]
    if others:
        text += f" The rate that was used is not the best of those tried: {listed(others)}."
    return text


def rounds_table(study: Study) -> str:
    """What is measured on each network."""
    rows = []
    for entry in study.preset["rounds"]:
        for place, suite in enumerate(entry["suites"]):
            methods = [label(method) for method in entry.get("methods") or ["all"]]
            rows.append(
                [
                    entry["name"] if place == 0 else "",
                    ", ".join(map(str, entry["seeds"])) if place == 0 else "",
                    listed(methods) if place == 0 else "",
                    ", ".join(suite["tasks"]),
                    ", ".join(_set_words(study, said) for said in suite["sets"]),
                ]
            )
    return plain_table(["round", "seeds", "methods", "tasks", "sets"], rows, None)


def settings_line(study: Study) -> str:
    """The settings that all modules share."""
    text = f"Of all modules that take them: {_options(study.preset['settings'])}."
    apart = [
        f"{label(method)} with {_options(entry['settings'])}"
        for method, entry in study.preset["methods"].items()
        if entry.get("settings")
    ]
    return text + (f" Apart from that: {'; '.join(apart)}." if apart else "")


def _set_words(study: Study, said: str | Mapping[str, Any]) -> str:
    if isinstance(said, str):
        return study.set_name(said)
    if "scenes" in said:
        train, test = said["scenes"]
        return f"scenes ({train:,} to fit, {test:,} to test)"
    return f"{study.set_name(said['set'])} ({said['per_class']} images of each class to fit)"


def _options(said: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} `{value if isinstance(value, str) else json.dumps(value)}`"
        for name, value in said.items()
    )


def _by_method(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[float, float]]:
    """What was reached by each rate."""
    values: dict[str, dict[float, float]] = {}
    for row in rows:
        values.setdefault(row["method"], {})[row["learning_rate"]] = row["value"]
    return values


def _value(value: float | None) -> str:
    return NOTHING if value is None else number(value, 1)


def _differs(study: Study, method: str, tried: Mapping[str, Mapping[float, float]]) -> bool:
    """Whether a network was trained with another rate than the best."""
    of = tried.get(method, {})
    best = max(sorted(of), key=lambda rate: of[rate]) if of else None
    return any(row.get("learning_rate") != best for row in study.cells if row["method"] == method)
