"""How `analyse` calls an analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.transfer import Task
from instdisc.types import Record

Arrays = Mapping[str, np.ndarray]


class Analysis(NamedTuple):
    """How `analyse` calls an analysis; add your own by ``ANALYSES["name"] = Analysis(...)``.

    It looks at each checkpoint by a task of the suite, at what such a task predicted, or at all
    checkpoints together.

    Attributes:
        figure: draws what was found. Of checkpoints one by one it gets ``{name of the checkpoint:
            arrays}``, of all together the arrays. ``None``: there is no figure.
        task: a name in `instdisc.transfer.TASKS`: what is run on each checkpoint; its arrays are
            those that its function writes to ``arrays=``, or else to ``predictions=``. ``""``: the
            analysis's own name.
        derive: looks at what the task predicted: a function of these arrays and of the images that
            were tested on, with any of the keywords ``about``, ``seed``, ``arrays`` and options of
            its own, that gives records. ``None``: the task's records are those of the analysis.
        compare: what is done with all checkpoints at once, as a task whose function takes ``{name:
            backbone}`` in place of a backbone, and ``arrays=``. ``None``: nothing.
        least: fewest checkpoints that it makes sense for.
    """

    figure: Callable[..., Figure] | None = None
    task: str = ""
    derive: Callable[..., Record | Sequence[Record]] | None = None
    compare: Task | None = None
    least: int = 1


def checkpoint_arrays(name: str, arrays: Mapping[str, Arrays], columns: Sequence[str]) -> None:
    """Refuses what a figure cannot be drawn from.

    Args:
        name: of the argument.
        arrays: by checkpoint.
        columns: that each must have.

    Raises:
        ValueError: if there is no checkpoint, or one lacks an array; names it.
    """
    if not arrays:
        checks.refuse(name, "the arrays of at least one checkpoint", dict(arrays))
    for checkpoint, content in arrays.items():
        lacking = [column for column in columns if column not in content]
        if lacking:
            checks.refuse(
                name, f"with {lacking[0]!r} for every checkpoint", sorted(content), checkpoint
            )
