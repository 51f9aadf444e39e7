"""What `analyse` draws of each analysis."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from instdisc import checks

Arrays = Mapping[str, np.ndarray]


class Analysis(NamedTuple):
    """What is drawn of an analysis; add your own by ``ANALYSES["name"] = Analysis(...)``.

    What it does is a task of the suite of the same name, `instdisc.transfer.TASKS`: of each
    checkpoint alone, of all together, or of what another task predicted, see
    `instdisc.transfer.Task`. The task writes arrays, and the figures are drawn from these.

    Attributes:
        figures: functions by the names of their files. Each gets ``{name of the checkpoint:
            arrays}``, or the arrays alone if the task looks at all checkpoints together; where
            these do not call for it, it raises `NothingToDraw`.
    """

    figures: Mapping[str, Callable[..., Figure]]


class NothingToDraw(ValueError):
    """A figure that these arrays do not call for: it is passed over, and nothing is missing."""


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
        checks.instance(f"{name}[{checkpoint!r}]", content, Mapping, "a mapping of arrays")
        lacking = [column for column in columns if column not in content]
        if lacking:
            rule = f"with {lacking[0]!r} for every checkpoint"
            checks.refuse(name, rule, sorted(content), f"Of {checkpoint!r}.")


def plain_text(name: str) -> str:
    r"""A name as matplotlib shows it as it is.

    What stands between dollars would be set as mathematics, and a legend would leave out what
    begins with an underscore.

    Example:
        >>> plain_text("_a$b$")
        ' _a\\$b\\$'
    """
    return re.sub("^_", " _", name.replace("$", r"\$"))
