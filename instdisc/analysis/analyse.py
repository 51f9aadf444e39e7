"""Analyses times data sets times checkpoints: records, arrays and figures, resumable."""

from __future__ import annotations

import logging
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.transfer import (
    TASKS,
    Checkpoints,
    DataSets,
    Kept,
    Missing,
    SuiteRecords,
    read_predictions,
    run_suite,
)

from .registry import ANALYSES

_log = logging.getLogger(__name__)


def analyse(
    checkpoints: Checkpoints,
    data_sets: DataSets,
    *,
    analyses: Sequence[str] = ("geometry", "cka"),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    data_root: str | Path = "data",
    out: str | Path = "runs/analyse",
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    precision: str = "32-true",
    thumbnails: bool = True,
    figures: bool = True,
    seed: int = 0,
    progress: bool = True,
) -> SuiteRecords:
    """Looks inside checkpoints, and draws what it sees.

    Each analysis is a task of the suite, so that what stands in ``out/results.jsonl`` is not made
    again, see `run_suite`. The arrays lie in ``out/predictions``, and each figure is drawn from
    them anew: ``out/figures/DATASET_FIGURE.png``.

    Args:
        checkpoints: what to compare, see `run_suite`.
        data_sets: see `run_suite`. An analysis of detectors needs annotated objects, and so on.
        analyses: names in `ANALYSES`.
        options: for an analysis, keywords of its function; JSON values. Of one that looks at what
            another task predicted, also those of that task, under its name.
        data_root: the folder that holds the data sets.
        out: the folder for results, arrays and figures.
        image_size: side of the views in pixels; ``None``: at which each backbone was trained.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        precision: Lightning's, of what trains.
        thumbnails: whether arrays and figures may show images.
        figures: whether to draw.
        seed: of the analyses, and of random weights.
        progress: show a bar.

    Returns:
        The records, with what is `missing` and the arrays that were `kept`.

    Raises:
        TypeError, ValueError: see `run_suite`; if there is no such analysis.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from instdisc import Backbone, Scenes
        >>> with TemporaryDirectory() as folder:
        ...     records = analyse(
        ...         {"a": Backbone("test_resnet"), "b": Backbone("test_resnet")},
        ...         [Scenes(40, image_size=32)], analyses=["cka"], image_size=32, out=folder,
        ...         progress=False,
        ...     )
        ...     sorted(file.name for file in Path(folder, "figures").iterdir())
        ['scenes_cka.png']
    """
    if isinstance(analyses, str) or not isinstance(analyses, Sequence) or not analyses:
        checks.refuse("analyses", "a list of at least one name", analyses)
    for name in analyses:
        checks.choice("analyses", name, list(ANALYSES))
    given = {name: dict(values) for name, values in (options or {}).items()}
    if not thumbnails:
        for name in analyses:
            if "thumbnail" in TASKS[name].options:
                given.setdefault(name, {})["thumbnail"] = 0
    out = Path(checks.instance("out", out, (str, Path), "a folder"))
    records = run_suite(
        checkpoints,
        data_sets,
        tasks=analyses,
        options=given,
        data_root=data_root,
        results=out / "results.jsonl",
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
        precision=precision,
        seed=seed,
        progress=progress,
    )
    if figures:
        for missing in draw_figures(records.kept, out / "figures"):
            records.missing.append(missing)
            _log.warning("skipped %s: %s", *missing)
    return records


def draw_figures(kept: Sequence[Kept], folder: str | Path) -> list[Missing]:
    """Draws every figure of the arrays that jobs of a suite kept.

    Args:
        kept: of `SuiteRecords`; those of tasks that are no analysis are passed over.
        folder: gets ``DATASET_FIGURE.png``.

    Returns:
        What could not be drawn, and why.
    """
    groups: dict[tuple[str, str], list[Kept]] = {}
    for entry in kept:
        if entry.task in ANALYSES:
            groups.setdefault((entry.dataset, entry.task), []).append(entry)
    missing = []
    for (dataset, task), entries in groups.items():
        for name, draw in ANALYSES[task].figures.items():
            try:
                arrays: Any = {
                    ", ".join(entry.methods): read_predictions(entry.path) for entry in entries
                }
                if TASKS[task].together:
                    (arrays,) = arrays.values()
                _save(draw(arrays), Path(folder) / f"{_file_name(dataset)}_{name}.png")
            except Exception as error:  # a user's own figure may raise any
                missing.append(Missing(f"the figure {name} of {dataset}", str(error)))
                _log.debug("%s of %s", name, dataset, exc_info=error)
    return missing


def _save(figure: Figure, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.png")
    try:
        figure.savefig(partial, dpi=120)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
