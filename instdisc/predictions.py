"""What a task predicted, kept beside its results.

A paired comparison, a report or a look at the errors needs more than a number. Every task takes
``predictions=``, a ``.npz`` file, and says in its docstring what it holds.

Legend: N images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from instdisc.checks import checked_call, input_file, refuse
from instdisc.writing import write_atomically


@checked_call()
def save_predictions(
    path: str | Path | None, columns: Mapping[str, Tensor | np.ndarray | Sequence[Any]]
) -> None:
    """Writes arrays to a ``.npz`` file: whole or not at all.

    Args:
        path: the file; its folder is made if need be. ``None`` writes nothing.
        columns: what to write, by name. Lists of texts become arrays of texts; lists of arrays of
            different lengths become one array and ``NAME_ends``, where each of them ends.

    Raises:
        ValueError: if the suffix of `path` is another.

    Example:
        >>> import tempfile, torch
        >>> file = Path(tempfile.mkdtemp()) / "knn.npz"
        >>> save_predictions(file, {"image": ["a", "b"], "label": torch.tensor([0, 1])})
        >>> read_predictions(file)["label"]
        array([0, 1])
    """
    if path is None:
        return
    path = check_predictions(path)
    arrays: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        if not isinstance(column, Tensor | np.ndarray | Sequence) or isinstance(column, str):
            refuse(f"columns[{name!r}]", "an array, a tensor or a list", column, kind=TypeError)
        if isinstance(column, Tensor):
            arrays[name] = column.detach().cpu().numpy()
        elif isinstance(column, np.ndarray):
            arrays[name] = column
        elif len(column) and isinstance(column[0], Tensor | np.ndarray):
            rows = [np.asarray(row) for row in column]
            arrays[name] = np.concatenate(rows)
            arrays[f"{name}_ends"] = np.cumsum([len(row) for row in rows])
        else:
            arrays[name] = np.array([str(entry) for entry in column])

    def write(file: Path) -> None:
        with file.open("wb") as opened:
            np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]

    write_atomically(path, write)


@checked_call()
def read_predictions(path: str | Path, *, needed: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The arrays that a task kept.

    Args:
        path: a file of `save_predictions`.
        needed: names of arrays; nothing is read of a file that lacks one of them.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged.
    """
    path = input_file("path", path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = stored.files if set(needed) <= set(stored.files) else []
            return {name: stored[name] for name in names}
    except Exception as error:  # numpy and zipfile raise anything at broken bytes
        raise ValueError(
            f"`path`: {path} is no file of predictions, or damaged ({error})"
        ) from error


def check_predictions(path: str | Path) -> Path:
    """The path, if predictions can be written there.

    Raises:
        ValueError: if its suffix is not ``.npz``.
    """
    path = Path(path)
    if path.suffix != ".npz":
        refuse("predictions", "a file .npz, or None", str(path), "numpy.load reads such files.")
    return path
