"""How far a suite is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from instdisc.types import Record


def suite_progress(*, shown: bool) -> Progress:
    """A bar with what is done, how fast, and the time that is left.

    Args:
        shown: whether anything is printed.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        StepsPerSecond(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not shown,
    )


def tell_job(bar: Progress, title: str, records: Sequence[Record]) -> None:
    """Prints a line on a job that is done, where the output is no terminal and shows no bar.

    Args:
        bar: of the suite.
        title: of the job.
        records: of the job; the first stands for it.
    """
    if bar.disable or bar.console.is_terminal or not records:
        return
    first = records[0]
    value = f"{first.metric} {first.value:.3g}{' ' * bool(first.unit)}{first.unit}"
    seconds = f"{first.seconds:.0f} s"
    print(f"{title}: {value}, {seconds}", file=bar.console.file, flush=True)


class StepsPerSecond(ProgressColumn):
    """How fast a job goes, in what it counts: images, episodes or epochs."""

    def render(self, task: Task) -> Text:
        """The speed as text.

        Args:
            task: of the bar.
        """
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g}/s")
