"""A table as CSV, a line for each cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from .grid import Grid


def long_form_text(grid: Grid) -> str:
    """Every cell with its numbers as they are, not rounded.

    Args:
        grid: what to write.
    """
    lines = [
        {
            "method": grid.methods[method],
            "task": result.task,
            "metric": result.metric,
            "dataset": grid.datasets[result.dataset],
            "variant": result.variant,
            "value": float(cell.pooled.value),
            "low": "" if cell.pooled.low is None else float(cell.pooled.low),
            "high": "" if cell.pooled.high is None else float(cell.pooled.high),
            "interval": cell.pooled.interval,
            "n": cell.pooled.records[0].n or "",
            "unit": result.unit,
            "higher_is_better": result.higher_is_better,
            "best": cell.bold,
            "seeds": _joined(record.seed for record in cell.pooled.records),
            "values": _joined(map(float, cell.pooled.values)),
            "architecture": cell.pooled.records[0].architecture,
            "checkpoints": _joined(
                dict.fromkeys(r.checkpoint for r in cell.pooled.records if r.checkpoint)
            ),
        }
        for (method, place), cell in sorted(grid.cells.items(), key=lambda item: item[0][::-1])
        for result in [grid.results[place]]
    ]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def _joined(values: Iterable[object]) -> str:
    return " ".join(map(str, values))
