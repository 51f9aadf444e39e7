"""How far a suite is."""

from __future__ import annotations

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


class StepsPerSecond(ProgressColumn):
    """How fast a job goes, in what it counts: images, episodes or epochs."""

    def render(self, task: Task) -> Text:
        """The speed as text.

        Args:
            task: of the bar.
        """
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g}/s")
