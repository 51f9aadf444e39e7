"""What the study cost, and how to make it again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .material import Study
from .tables import plain_table
from .words import NOTHING, counted, label, listed


def cost_table(study: Study) -> str:
    """Seconds of each part, the mean over cells of a method; ``""`` without cells."""
    if not study.cells:
        return ""
    parts = list(dict.fromkeys(name for row in study.cells for name in row.get("seconds", {})))
    rows = []
    for method in study.methods:
        cells = [row for row in study.cells if row["method"] == method]
        if cells:
            seeds = len({row["seed"] for row in cells})
            of_parts = [_mean(cells, part) for part in parts]
            pretraining, all_parts = _pretraining(cells) / seeds, _parts(cells) / seeds
            shown = [NOTHING if mean is None else f"{mean:.0f}" for mean in of_parts]
            total = f"{pretraining + all_parts:.0f}"
            rows.append([label(method), str(seeds), f"{pretraining:.0f}", *shown, total])
    header = ["method", "seeds", "pretraining", *(part.replace("_", " ") for part in parts), "all"]
    return plain_table(header, rows)


def cost_note(study: Study) -> str:
    """The sum of all seconds."""
    cells = _pretraining(study.cells) + _parts(study.cells)
    rates = sum(row.get("seconds", 0.0) for row in study.rates)
    text = "Seconds of a network, the mean over seeds."
    text += f" Together {_hours(cells)} for {counted(len(study.cells), 'cell')}"
    if study.rates:
        text += f", and {_hours(rates)} for {counted(len(study.rates), 'trial')} of learning rates"
    text += ", by the clock, with whatever else ran on the machine."
    resumed = sum(bool(row.get("resumed")) for row in study.cells)
    if resumed:
        cells_resumed = counted(resumed, "cell")
        text += f" {cells_resumed} went on from finished tasks, whose seconds are not told."
    return text


def reproduction(study: Study) -> list[str]:
    """How to run the study again, and on what the numbers here were made."""
    texts = [
        f"```bash\ninstdisc study {study.name} --data-root data\n```",
        "runs what the folder of records does not hold yet, cell by cell. On the processor a cell "
        "gives the same numbers bit for bit, if versions and the kind of processor are the same.",
        "All records on one page beside them, with tables, figures and paired comparisons:",
        f"```bash\ninstdisc report docs/study/{study.name}.jsonl --no-images "
        f"--out docs/study/{study.name}_report.html\n```",
    ]
    if not study.cells:
        return texts
    machines = _uses(row.get("machine", "") for row in study.cells)
    versions = _uses(
        ", ".join(f"{name} {version}" for name, version in row.get("versions", {}).items())
        for row in study.cells
    )
    commands = _uses(row.get("command", "") for row in study.cells)
    texts.append(f"Machine: {machines}. Versions: {versions}. Command: {commands}.")
    header = ["network", "round", "steps", "loss", "weights", "commit", "date"]
    rows = [
        [
            f"{label(row['method'])}, seed {row['seed']}",
            row.get("round", ""),
            f"{row.get('steps') or 0:,}",
            NOTHING if row.get("loss") is None else f"{row['loss']:.4f}",
            f"`{row['weights'][:16]}`" if row.get("weights") else NOTHING,
            f"`{row['commit']}`" if row.get("commit") else NOTHING,
            row.get("date", "")[:10],
        ]
        for row in sorted(study.cells, key=_place(study))
    ]
    files = [
        f"`{study.name}.jsonl` ({len(study.records):,} records)",
        f"`{study.name}_differences.jsonl` ({len(study.differences):,} paired differences)",
        f"`{study.name}_cells.jsonl`, `{study.name}_rates.jsonl`, `{study.name}_verdicts.jsonl`",
    ]
    texts += [
        plain_table(header, rows, 2),
        "Weights are not kept, their hashes are. All numbers of this page are from "
        f"{listed(files)} in `docs/study`. The same records as a report: "
        f"`instdisc report docs/study/{study.name}.jsonl --no-images --out study_report.html`.",
    ]
    return texts


def _place(study: Study) -> Any:
    order = {method: place for place, method in enumerate(study.methods)}
    return lambda row: (order[row["method"]], row["seed"])


def _uses(texts: Any) -> str:
    """Different texts in the order in which they appear."""
    counts: dict[str, int] = defaultdict(int)
    for text in texts:
        counts[text] += 1
    there = [f"`{text}`" for text in counts if text]
    return listed(there) if there else "not recorded"


def _mean(cells: Sequence[Mapping[str, Any]], part: str) -> float | None:
    values = [row["seconds"][part] for row in cells if part in row.get("seconds", {})]
    return sum(values) / len(values) if values else None


def _pretraining(cells: Sequence[Mapping[str, Any]]) -> float:
    """Seconds of all networks; each round of a network tells the same pretraining."""
    longest: dict[tuple[str, int], float] = {}
    for row in cells:
        key = row["method"], row["seed"]
        longest[key] = max(longest.get(key, 0.0), row.get("pretraining_seconds", 0.0))
    return sum(longest.values())


def _parts(cells: Sequence[Mapping[str, Any]]) -> float:
    """Seconds of all that was measured."""
    return float(sum(sum(row.get("seconds", {}).values()) for row in cells))


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
