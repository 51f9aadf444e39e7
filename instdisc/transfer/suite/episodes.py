"""A list of episodes in a file, which is read, or drawn and written.

Legend: N images.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instdisc import checks
from instdisc.data import Episodes, draw_episodes

from .options import Options
from .sets import SuiteSet
from .tasks import EPISODES_FILE, Task

_log = logging.getLogger(__name__)


def fix_episodes(task: Task, chosen: Options, data: SuiteSet, seed: int) -> dict[str, Any]:
    """The options of a task with the episodes that its file holds in the place of the file.

    A list that is there decides on ways, queries and the number of episodes. Where none is there,
    it is drawn as the options say, for the largest number of shots, and written. What the suite
    would have drawn itself is given by its numbers, so that it is the same run with a file and
    without.

    Args:
        task: that takes episodes.
        chosen: its options; ``episodes_file`` is a ``.npz`` file, or a folder with ``SET.npz``.
        data: the set that the list is of.
        seed: of the suite.

    Returns:
        The options without ``episodes_file``.

    Raises:
        ValueError: if the file holds no list, or one of other labels, of another seed, of fewer
            shots, or of other numbers than are given; if none can be drawn.
    """
    options = task.expanded(chosen)
    path = options.pop(EPISODES_FILE, None)
    if path is None:
        return options
    images = data.images(task.kind, task.parts[-1])
    asked = {**task.options, **options}
    shots = max(asked["shots"])
    file = Path(path) if Path(path).suffix == ".npz" else Path(path) / f"{data.name}.npz"
    if not file.exists():
        drawn = draw_episodes(
            images.labels,
            ways=asked["ways"],
            shots=shots,
            queries=asked["queries"],
            episodes=asked["episodes"],
            seed=seed,
            classes=images.classes,
        )
        drawn.save(file)
        _log.info("wrote %d episodes of %s to %s", len(drawn.support), data.name, file)
        return {**options, **_numbers(drawn)}
    stored = Episodes.load(file)
    numbers = _numbers(stored)
    for name, value in numbers.items():
        if name in options and options[name] != value:
            remedy = f"Leave `{name}` out, or name another file."
            checks.refuse(name, f"{value}, as in {file}", options[name], remedy)
    if stored.seed != seed:
        remedy = "Give that seed, or name another file."
        checks.refuse("seed", f"{stored.seed}, as of the episodes in {file}", seed, remedy)
    try:
        stored.check(images.labels)
        stored.first(shots)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    same = _is_drawn(stored, images.labels)
    return {**options, **numbers, "episodes": numbers["episodes"] if same else stored}


def _numbers(episodes: Episodes) -> dict[str, int]:
    count, ways, queries = episodes.queries.shape
    return {"ways": ways, "queries": queries, "episodes": count}


def _is_drawn(stored: Episodes, labels: Tensor) -> bool:
    """Whether `draw_episodes` gives just this list of labels ``(N,)``."""
    count, ways, shots = stored.support.shape
    try:
        drawn = draw_episodes(
            labels,
            ways=ways,
            shots=shots,
            queries=stored.queries.shape[2],
            episodes=count,
            seed=stored.seed,
        )
    except ValueError:  # e.g. a list with fewer images of a class than are drawn without repeats
        return False
    return torch.equal(drawn.support, stored.support) and torch.equal(drawn.queries, stored.queries)
