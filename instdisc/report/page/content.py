"""What the sections of a page show, put together from records, comparison, charts and galleries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from instdisc.runs import read_runs

from ..charts import Chart
from ..comparison import Comparison
from ..gallery import Gallery
from ..grid import Grid, lay_out
from ..labels import shortest_names
from ..latex import latex_text
from ..long_form import long_form_text
from ..markdown import markdown_text
from ..material import Material
from .beside import published_beside
from .cautions import find_cautions
from .conduct import describe_machines, describe_skipped, describe_tasks
from .drawings import draw_charts
from .grouping import by_family, group_results, labelled_records, part_of_grid
from .networks import describe_networks
from .pictures import embed_galleries
from .standing import describe_differences, describe_pairs, describe_standings
from .tables import ResultTable, Tables, measured

_SECTIONS = (
    ("verdict", "Verdict"),
    ("who", "Who"),
    ("results", "Results"),
    ("published", "Published beside measured"),
    ("figures", "Figures"),
    ("pictures", "Pictures"),
    ("how", "How"),
)
_MOST_HOLES = 20


def page_content(
    material: Material,
    grid: Grid,
    comparison: Comparison,
    charts: Sequence[Chart],
    galleries: Sequence[Gallery],
    *,
    paths: Sequence[Path],
    damaged: Sequence[str],
    title: str,
    no_pictures: str,
) -> dict[str, Any]:
    """Everything that the template shows, by its names there.

    Args:
        material: the records.
        grid: of them, with the methods in bold that the comparison calls best.
        comparison: of them.
        charts: the figures.
        galleries: the pictures.
        paths: of the results files.
        damaged: files of predictions that cannot be read.
        title: of the page; empty for one that names the networks.
        no_pictures: the sentence where there are no galleries.
    """
    groups = group_results(grid, comparison.headlines)
    headline = part_of_grid(grid, groups.headlines, comparison)
    tables = Tables(comparison)
    caption = "Headline results: one metric for each task and data set."
    single = labelled_records(grid, groups.networks)
    compared = labelled_records(headline, headline.methods)
    notes = [note for path in paths for note in read_runs(path)]
    drawings = draw_charts(charts)
    shown = embed_galleries(galleries)
    cautions = find_cautions(material, compared, damaged)

    def table(name: str, places: Collection[int], caption: str) -> ResultTable:
        part = part_of_grid(grid, places, comparison)
        return tables.make(part, name=name, caption=caption)

    parts = {
        "who": [("cautions", "Cautions")],
        "results": [("numbers", "Every number"), ("copies", "To copy")],
        "figures": [(drawing.name, drawing.title) for drawing in drawings],
        "pictures": [(gallery.name, gallery.title) for gallery in shown],
        "how": [
            ("commands", "Commands"),
            ("skipped", "Skipped"),
            ("machines", "Versions and hardware"),
            ("settings", "Settings and time"),
        ],
    }
    return {
        "title": title or _title(groups.networks),
        "summary": _summary(material, grid, groups.networks),
        "notices": [],
        "sections": [
            {"name": name, "title": text, "parts": parts.get(name, [])} for name, text in _SECTIONS
        ],
        "verdict": comparison.verdict() if comparison.methods else [],
        "standings": describe_standings(comparison),
        "pairs": describe_pairs(comparison),
        "differences": describe_differences(comparison),
        "networks": describe_networks(single, compared),
        "cautions": cautions,
        "headline": tables.make(headline, name="headline", caption=caption, means=True),
        "families": [
            table(family, places, f"Every number of {family}.")
            for family, places in groups.families.items()
        ],
        "pair_tables": [
            table(family, places, f"Every number of {family} of two networks.")
            for family, places in groups.pairs.items()
        ],
        "copies": table_texts(headline if headline.results else grid),
        "files": [],
        "published": published_beside(single),
        "charts": drawings,
        "galleries": shown,
        "no_pictures": no_pictures,
        "commands": list(dict.fromkeys(note.command for note in notes if note.command)),
        "skipped": describe_skipped(notes),
        "holes": _holes(headline),
        "machines": describe_machines(material.records),
        "tasks": describe_tasks(by_family(material.records)),
        "sources": ", ".join(shortest_names(str(path.absolute()) for path in paths).values()),
    }


def table_texts(grid: Grid) -> list[tuple[str, str]]:
    """A grid as CSV, Markdown and LaTeX, each under its name."""
    sheet = lay_out(grid, "results")
    return [
        ("CSV", long_form_text(grid)),
        ("Markdown", markdown_text(sheet, grid.title, grid.notes)),
        ("LaTeX", latex_text(sheet, grid.title, grid.notes)),
    ]


def _title(networks: Sequence[str]) -> str:
    if len(networks) > 3:
        return f"What {len(networks)} networks are worth"
    *most, last = networks
    return f"What {', '.join(most)} and {last} are worth" if most else f"What {last} is worth"


def _summary(material: Material, grid: Grid, networks: Sequence[str]) -> str:
    days = sorted({record.date[:10] for record in material.records if record.date})
    when = f" of {' to '.join(dict.fromkeys((days[0], days[-1])))}" if days else ""
    counts = [
        (len(networks), "network"),
        (len(grid.datasets), "data set"),
        (len(grid.results), "result"),
        (len(material.records), "record"),
    ]
    told = [f"{count:,} {word}{'s' * (count != 1)}" for count, word in counts]
    return f"{', '.join(told)}{when}."


def _holes(grid: Grid) -> list[str]:
    """Headline results that some methods have and others have not."""
    holes = []
    for place, result in enumerate(grid.results):
        lacking = [m for c, m in enumerate(grid.methods) if (c, place) not in grid.cells]
        if lacking:
            dataset = grid.datasets[result.dataset]
            holes.append(f"{measured(result)} on {dataset}: not for {', '.join(lacking)}")
    more = len(holes) - _MOST_HOLES
    return holes[:_MOST_HOLES] + ([f"and {more} more results"] if more > 0 else [])
