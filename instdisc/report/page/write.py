"""One report: an HTML file with everything, and the tables beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from instdisc.checks import checked_call, output_file
from instdisc.writing import write_atomically

from ..charts import charts as draw_all
from ..comparison import compare
from ..gallery import galleries as find_galleries
from ..grid import Grid, make_grid
from ..material import Material, read_material
from .budget import render_within
from .content import page_content, table_texts
from .grouping import group_results, part_of_grid

_NONE = "No pictures: the tasks of these records saved none."
_NOT_ASKED = "No pictures: this page was made without them."
_SUFFIXES = {"CSV": ".csv", "Markdown": ".md", "LaTeX": ".tex"}


@checked_call(filled=["results"])
def write_report(
    results: Sequence[str | Path], out: str | Path, *, images: bool = True, title: str = ""
) -> Path:
    """Writes what results files say as one page, and its tables beside it.

    The page is one static HTML file below 5 MB that loads nothing: verdict, networks and cautions,
    results, published numbers, figures, pictures, and how it was done. It reads well on a narrow
    screen, on paper and aloud. Pictures are made smaller, and then left out, where it would be
    too large; it says so. The same records give the same page, byte by byte, in whatever order
    their jobs ended: file after file, they stand in that of `sort_records`.

    Beside ``report.html`` stand ``report_table.csv`` with every number, and ``report_table.md`` and
    ``report_table.tex`` with the headline results.

    Args:
        results: ``.jsonl`` files of `run_suite`, `analyse`, or a command; their predictions are
            read from ``predictions/`` beside them.
        out: the page, which ends with ``.html``; its folder is made if need be, and files that are
            there are replaced.
        images: whether to show pictures.
        title: of the page; empty for one that names the networks.

    Returns:
        `out`.

    Raises:
        FileNotFoundError: if there is no such results file.
        ValueError: if there are no results or no records in them, a line is no record, or `out`
            has another suffix.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from instdisc.report import append_records
        >>> from instdisc.types import Record
        >>> record = Record("knn", "scenes", "top-1", 71.5, low=70.3, high=72.7, method="MoCo")
        >>> with TemporaryDirectory() as folder:
        ...     append_records([record], f"{folder}/results.jsonl")
        ...     page = write_report([f"{folder}/results.jsonl"], f"{folder}/report.html")
        ...     "71.5" in page.read_text(encoding="utf-8")
        True
    """
    path = output_file("out", out, (".html", ".htm"))
    paths = [Path(file) for file in results]
    material, damaged = _readable(read_material(paths))
    comparison = compare(material)
    grid = make_grid(material.records, comparison=comparison)
    pictures = find_galleries(material) if images else []
    content = page_content(
        material,
        grid,
        comparison,
        draw_all(material, comparison),
        pictures,
        paths=paths,
        damaged=damaged,
        title=title,
        no_pictures=_NONE if images else _NOT_ASKED,
    )
    headlines = group_results(grid, comparison.headlines).headlines
    short = part_of_grid(grid, headlines, comparison) if headlines else grid
    tables = _tables(path, grid, short)
    content["files"] = [table.name for table in tables]
    text = render_within(content, pictures)
    for file, table in {**tables, path: text}.items():
        write_atomically(file, partial(_put, table))
    return path


def _put(text: str, path: Path) -> None:
    path.write_bytes(text.encode("utf-8"))


def _tables(path: Path, grid: Grid, headline: Grid) -> dict[Path, str]:
    """The files beside the page: every number as CSV, the headline results as the others."""
    texts = dict(table_texts(headline)) | {"CSV": dict(table_texts(grid))["CSV"]}
    return {
        path.with_name(f"{path.stem}_table{suffix}"): texts[kind]
        for kind, suffix in _SUFFIXES.items()
    }


def _readable(material: Material) -> tuple[Material, list[str]]:
    """The material without predictions that are damaged, and what these are of."""
    damaged: dict[str, str] = {}
    for record in {record.job: record for record in material.records if record.job}.values():
        try:
            material.arrays(record)
        except ValueError:
            damaged[record.job] = f"{record.task} on {record.dataset} of {record.method}"
    records = [r._replace(job="") if r.job in damaged else r for r in material.records]
    return material._replace(records=records), list(damaged.values())
