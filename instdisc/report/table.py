"""Records as one table in the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from instdisc.checks import checked_call
from instdisc.types import Record

from .comparison.tables import Comparison
from .grid import Rows, lay_out, make_grid


@checked_call()
def results_table(
    records: Iterable[Record],
    *,
    title: str = "",
    rows: Rows = "methods",
    comparison: Comparison | None = None,
) -> Table:
    """A rich table with the best value of each result in bold; print it with ``rich.print``.

    Nothing but seeds is pooled. Records stand in one cell if task, metric, data set, unit, method,
    architecture, how it was pretrained, view, settings, number of images and release are the same,
    but for what a run chose or measured itself (the recipe of a grid, its validation scores, the
    gradient at the end, the seed of its episodes). What differs otherwise stands apart:

    - Views, settings or releases that differ within one method are rows (or columns) of their own,
      and each says what differs: ``224 px, resize 256``. Where they differ between methods, a line
      below the table tells it. Results on other images or labels never share a row.
    - Methods of one name and several architectures are columns of their own.
    - Several checkpoints of one name and architecture are seeds of the pretraining if each has a
      seed of its own; they are pooled "over n checkpoints". If one seed has several checkpoints,
      or one checkpoint of several has several seeds, each checkpoint is a column, named by its
      file.

    A single record is shown with its own interval, two seeds by both values, more by their mean
    with its t interval. Seeds that all give the same value keep the record's interval. Of several
    records of one seed the newest counts, and a line below tells how many do not.

    ``71.5 ± 1.2`` is an interval whose sides are equal when rounded, ``100.0 [83.9, 100.0]`` any
    other; lines below the table say what each is. The best is the highest value or the lowest, as
    the records tell.

    Args:
        records: what to show, in the order of the rows; `sort_records` gives those of a file one.
        title: above the table.
        rows: ``"methods"`` for a row per method and a column per task and data set;
            ``"results"`` for a row per data set and task and a column per method, when there are
            many.
        comparison: of `compare` with the same records; then the best and all that are not
            significantly below it are bold, in the results that it compares.

    Raises:
        TypeError: if one is no record.
        ValueError: if there are no records, a number is not finite, `rows` is unknown, or
            `comparison` is of other records.

    Example:
        >>> record = Record("knn", "scenes", "top-1", 71.5, low=70.3, high=72.7,
        ...     interval="Wilson, 5,000 images", method="MoCo")
        >>> table = results_table([record])
        >>> list(table.columns[1].cells)[0].plain
        '71.5 ± 1.2'
        >>> table.caption.plain
        '± and [ ]: 95 % intervals: Wilson, 5,000 images.'
    """
    grid = make_grid(records, title=title, comparison=comparison)
    sheet = lay_out(grid, rows)
    # Text, not markup: a name such as "[bold]" or ":cat:" means nothing but itself.
    table = Table(
        title=Text(title) if title else None,
        caption=Text("\n".join(grid.notes)) if grid.notes else None,
        caption_justify="left",
    )
    for place, lines in enumerate(sheet.header):
        # Folded where the terminal is narrow: a name or a number that is cut would be another.
        header = Text("\n".join(lines))
        if place < sheet.labels:
            table.add_column(header, overflow="fold")
        else:
            table.add_column(header, justify="right", overflow="fold", min_width=10)
    for place, row in enumerate(sheet.rows):
        texts = (Text(text, style="bold" if bold else "") for text, bold in row)
        table.add_row(*texts, end_section=place in sheet.ends)
    return table
