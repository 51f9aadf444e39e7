"""Analyses times data sets times checkpoints: records, arrays and figures, resumable."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import (
    TASKS,
    Checkpoints,
    DataSets,
    Executor,
    Kept,
    Missing,
    SuiteRecords,
    read_predictions,
    run_suite,
)
from instdisc.writing import write_atomically

from .analysis import NothingToDraw
from .registry import ANALYSES

_log = logging.getLogger(__name__)
_LONGEST = 200  # bytes of a file's name, of the 255 that most file systems take


@checked_call(free=["device", "executor"])  # see `run_suite`
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
    executor: Executor | Callable[[], Executor] | None = None,
) -> SuiteRecords:
    """Runs analyses of checkpoints and draws their figures.

    Each analysis is a task of the suite, so that what is in ``out/results.jsonl`` is not computed
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
        device: where to compute; ``"auto"`` is a GPU if there is one where the analyses run.
        precision: Lightning's, of what trains.
        thumbnails: whether arrays and figures may show images.
        figures: whether to draw.
        seed: of the analyses, and of random weights.
        progress: show a bar.
        executor: runs the analyses on other processes or machines, see `run_suite`.

    Returns:
        The records, with what is `missing` and the arrays that were `kept`.

    Raises:
        TypeError, ValueError: see `run_suite`; before anything runs, if there is no such analysis,
            or `out` cannot be a folder.

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
        ['scenes_cka.png', 'scenes_similarity.png']
    """
    if isinstance(analyses, str) or not isinstance(analyses, Sequence) or not analyses:
        checks.refuse("analyses", "a list of at least one name", analyses)
    for name in analyses:
        checks.choice("analyses", name, list(ANALYSES))
        checks.choice("analyses", name, list(TASKS), remedy=f"Add TASKS[{name!r}] = Task(...).")
    out = _folder(out)
    records = run_suite(
        checkpoints,
        data_sets,
        tasks=analyses,
        options=options,
        data_root=data_root,
        results=out / "results.jsonl",
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
        precision=precision,
        thumbnails=thumbnails,
        seed=seed,
        progress=progress,
        executor=executor,
    )
    if figures:
        for missing in draw_figures(records.kept, out / "figures"):
            records.missing.append(missing)
            _log.warning("skipped %s: %s", *missing)
    return records


@checked_call()
def draw_figures(kept: Sequence[Kept], folder: str | Path) -> list[Missing]:
    """Draws every figure of the arrays that jobs of a suite kept.

    Args:
        kept: of `SuiteRecords`; those of tasks that are no analysis are passed over.
        folder: gets ``DATASET_FIGURE.png``, with a hash behind it where two would be called alike.

    Returns:
        What could not be drawn, and why.
    """
    groups: dict[tuple[str, str], list[Kept]] = {}
    for entry in kept:
        if entry.task in ANALYSES:
            groups.setdefault((entry.dataset, entry.task), []).append(entry)
    missing = []
    paths: set[Path] = set()
    for (dataset, task), entries in groups.items():
        for name, draw in ANALYSES[task].figures.items():
            path = Path(folder) / f"{_file_name(f'{dataset}_{name}', f'{task} of {dataset}')}.png"
            if path in paths:  # "a/b" and "a_b"
                path = path.with_name(f"{path.stem}_{_digest(f'{task} of {dataset}')}.png")
            paths.add(path)
            try:
                arrays: Any = {
                    ", ".join(entry.methods): read_predictions(entry.path) for entry in entries
                }
                if TASKS[task].together:
                    (arrays,) = arrays.values()
                _save(draw(arrays), path)
            except NothingToDraw as error:
                _log.info("no figure %s of %s: %s", name, dataset, error)
            except Exception as error:  # a user's own figure may raise any
                kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
                missing.append(Missing(f"the figure {name} of {dataset}", f"{kind}{error}"))
                _log.debug("%s of %s", name, dataset, exc_info=error)
    return missing


def _folder(out: object) -> Path:
    """Refuses what is no folder and cannot become one, before hours of work are lost."""
    folder = Path(checks.instance("out", out, (str, Path), "a folder"))  # type: ignore[arg-type]
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            checks.refuse("out", "a folder", str(folder), f"{str(path)!r} is a file.")
    return folder


def _save(figure: Figure, path: Path) -> None:
    """Whole or not at all."""
    checks.instance("figure", figure, Figure, "a matplotlib Figure")
    write_atomically(path, lambda file: figure.savefig(file, dpi=120))


def _file_name(name: str, what: str) -> str:
    """A name that every file system takes."""
    plain = re.sub(r"[^\w.-]+", "_", name)
    if len(plain.encode()) <= _LONGEST:
        return plain
    return f"{plain.encode()[:_LONGEST].decode(errors='ignore')}_{_digest(what)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
