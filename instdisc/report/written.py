"""Records as a table in a file: Markdown, LaTeX or CSV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import Record

from .comparison.tables import Comparison
from .grid import Rows, lay_out, make_grid
from .latex import latex_text
from .long_form import long_form_text
from .markdown import markdown_text


@checked_call()
def write_table(
    records: Iterable[Record],
    path: str | Path,
    *,
    title: str = "",
    rows: Rows = "methods",
    comparison: Comparison | None = None,
) -> Path:
    """The table of `results_table` as a file; the suffix chooses the format.

    - ``.md``: a Markdown table, the best in bold, with the lines below it;
    - ``.tex``: a LaTeX ``table``, likewise; it needs the package ``booktabs``;
    - ``.csv``: a line for each cell, with numbers instead of text: method, task, metric, dataset,
      variant, value, low, high, interval, n, unit, higher_is_better, best, seeds, values,
      architecture, checkpoints. Seeds, values and checkpoints of a cell stand in one field,
      separated by spaces.

    Args:
        records: see `results_table`, also for what is pooled.
        path: ends with ``.md``, ``.tex`` or ``.csv``; its folder is made if need be, and a file
            that is there is replaced.
        title: above the table; CSV has none.
        rows: see `results_table`; CSV has a line for each cell either way.
        comparison: see `results_table`; in CSV it decides ``best``.

    Returns:
        `path`.

    Raises:
        TypeError: if one is no record.
        ValueError: if there are no records, a number is not finite, `rows` or the suffix is
            unknown, or `comparison` is of other records.

    Example:
        >>> import tempfile
        >>> record = Record("knn", "scenes", "top-1", 71.5, low=70.3, high=72.7, method="MoCo")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(write_table([record], f"{folder}/results.md").read_text().splitlines()[2])
        | MoCo | **71.5 ± 1.2** |
    """
    path = checks.output_file("path", path)
    checks.choice(
        "path",
        path.suffix.lower(),
        (".md", ".tex", ".csv"),
        remedy="The suffix of the file chooses the format.",
    )
    grid = make_grid(records, title=title, comparison=comparison)
    sheet = lay_out(grid, rows)
    if path.suffix.lower() == ".csv":
        text = long_form_text(grid)
    elif path.suffix.lower() == ".tex":
        text = latex_text(sheet, grid.title, grid.notes)
    else:
        text = markdown_text(sheet, grid.title, grid.notes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
