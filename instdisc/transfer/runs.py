"""A run on record: what a script leaves of it, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from instdisc.checks import checked_call, output_folder
from instdisc.data import ImageSource
from instdisc.predictions import save_predictions
from instdisc.records import append_job
from instdisc.types import Record

from .keys import job_key

_MEASURED = {"per_point", "curve", "points_not_counted", "faces_left_out"}  # results


@checked_call(filled=["records"])
def run_key(records: Sequence[Record], train: ImageSource, test: ImageSource) -> str:
    """The key of a run whose records are there: see `job_key`.

    Args:
        records: all of the run.
        train: what it was trained on.
        test: what it was tested on.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(2, image_size=32)
        >>> len(run_key([Record("detection", "scenes", "box AP", 50.0)], scenes, scenes))
        16
    """
    from .suite.registry import TASKS  # which are made of what calls this

    first = records[0]
    return job_key(
        {
            "task": first.task,
            "version": TASKS[first.task].version if first.task in TASKS else 1,
            "weights": first.weights,
            "train": train.fingerprint().digest,
            "test": test.fingerprint().digest,
            "images": first.n,
            "view": dict(first.view),
            "settings": {k: v for k, v in first.settings.items() if k not in _MEASURED},
            "seed": first.seed,
        }
    )


@checked_call(filled=["records"], folder=output_folder)
def store_run(
    records: Sequence[Record],
    predictions: Mapping[str, Any],
    folder: str | Path,
    *,
    train: ImageSource,
    test: ImageSource,
) -> list[Record]:
    """Adds a run to ``results.jsonl`` of a folder, and its predictions as ``predictions/KEY.npz``.

    A run that stands there already adds nothing.

    Args:
        records: all of the run.
        predictions: see `save_predictions`.
        folder: of the run.
        train: what it was trained on.
        test: what it was tested on.

    Returns:
        The records as they stand in the file.
    """
    key, folder = run_key(records, train, test), Path(folder)
    file = folder / "predictions" / f"{key}.npz"
    if not file.exists():
        save_predictions(file, predictions)
    return append_job(records, folder / "results.jsonl", key)
