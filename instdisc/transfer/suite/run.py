"""Tasks times data sets times checkpoints, on record and resumable."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from instdisc import checks
from instdisc.data import describe_view
from instdisc.models import Backbone
from instdisc.records import append_job, read_jobs
from instdisc.types import Record

from ..features.cache import cached_features
from ..features.extract import Features
from .plan import Job, check_options, plan_jobs, view_of
from .registry import TASKS
from .sets import DataSets, Keep, SuiteSet, find_sets
from .subjects import Checkpoints, Subject, find_subjects
from .tasks import FEATURES

_log = logging.getLogger(__name__)


class Missing(NamedTuple):
    """Something that was asked for and has no result.

    Attributes:
        what: e.g. ``"knn on pets with MoCo"``.
        why: the reason.
    """

    what: str
    why: str


class SuiteRecords(list[Record]):
    """The records of a suite, and what has none.

    Attributes:
        missing: what was asked for and has no result.
    """

    def __init__(self, records: Iterable[Record] = (), missing: Sequence[Missing] = ()) -> None:
        super().__init__(records)
        self.missing = list(missing)


def run_suite(
    checkpoints: Checkpoints,
    data_sets: DataSets,
    *,
    tasks: Sequence[str] = ("knn", "linear", "few_shot"),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    data_root: str | Path = "data",
    results: str | Path = "runs/transfer/results.jsonl",
    cache: str | Path | None = None,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    precision: str = "32-true",
    keep: Keep = "nothing",
    predictions: bool = True,
    seed: int = 0,
    progress: bool = True,
) -> SuiteRecords:
    """Runs every task on every data set with every checkpoint, and writes each result at once.

    A result that stands in the file `results` is not made again, unless something that it depends
    on has changed: the weights; what images, labels and annotations hold (`ImageSource.
    fingerprint`, not where or when they lie); the options of the task, its arithmetic, the view
    with its normalisation, the precision or the seed. What is not there, cannot serve a task or
    fails is missing: a line in the log says which and why, the others go on.

    Args:
        checkpoints: files, as ``NAME=FILE`` to name them in the table and ``FILE:ARCHITECTURE``
            where the file does not tell its timm name; ``"timm:NAME"`` for timm's published
            weights; ``"random"`` for random weights in each architecture of the checkpoints, or
            ``"random:resnet50"``; a `Backbone`. Or a mapping of names to these.
        data_sets: names of sets, folders or tables, see `instdisc.data.LAYOUTS`; as
            ``NAME=FOLDER`` for a known set in that folder, or to name a folder. An `ImageSource`,
            which is split by seed 0 where a task needs parts, or a pair of one to train on and one
            to test on. Or a mapping of names to these.
        tasks: names in `TASKS`.
        options: for a task, keywords of its function; JSON values.
        data_root: the folder that holds the data sets.
        results: the ``.jsonl`` file.
        cache: the folder of the features; ``None`` for ``features`` beside `results`.
        image_size: side of the views in pixels; ``None``: at which each backbone was trained.
        batch_size: images at once for features.
        num_workers: processes that read.
        device: where to compute.
        precision: Lightning's, of the tasks that train the backbone.
        keep: ``"memory"`` decodes a set once for the tasks that train on it.
        predictions: whether to keep the predictions of each job, in ``predictions/JOB.npz`` beside
            `results`.
        seed: of the tasks, and of random weights.
        progress: show a bar.

    Returns:
        The records of what was asked for, data set by data set, with what is `missing`.

    Raises:
        ValueError: before anything runs: if a task or an option is unknown or out of range, a file
            is no checkpoint or its weights are not finite, or `results` holds a line that is no
            record.
        TypeError: if an option is no JSON value, or a checkpoint or data set is of another kind.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(40, image_size=32, num_categories=2)
        >>> with TemporaryDirectory() as folder:
        ...     records = run_suite(
        ...         {"random": Backbone("test_resnet")}, [scenes], tasks=["knn"], image_size=32,
        ...         results=f"{folder}/results.jsonl", progress=False,
        ...     )
        >>> [(record.task, record.dataset, record.method) for record in records], records.missing
        ([('knn', 'scenes', 'random')], [])
    """
    options = {} if options is None else options
    check_options(tasks, options, image_size=image_size, precision=precision)
    checks.whole("batch_size", batch_size)
    checks.whole("num_workers", num_workers, at_least=0)
    checks.whole("seed", seed, at_least=0)
    checks.choice("keep", keep, ("nothing", "memory"))
    device = checks.device("device", device)
    results = Path(checks.instance("results", results, (str, Path), "a path"))
    if results.is_dir():
        checks.refuse("results", "a file", str(results), "Name one in it: results.jsonl.")
    stored = read_jobs(results)
    missing: list[Missing] = []

    def miss(what: str, why: str) -> None:
        if Missing(what, why) not in missing:
            missing.append(Missing(what, why))
            _log.warning("skipped %s: %s", what, why)

    extract = functools.partial(
        cached_features,
        folder=results.parent / "features" if cache is None else cache,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
    )
    offered = {
        "image_size": image_size,
        "num_workers": num_workers,
        "device": device,
        "precision": precision,
        "seed": seed,
        **trainer_options(device),
    }
    subjects = find_subjects(checkpoints, seed, miss)
    sets = find_sets(data_sets, data_root, keep)
    jobs = plan_jobs(subjects, sets, tasks, options, offered, miss)
    todo = [job for job in jobs if job.key not in stored]
    kept = results.parent / "predictions" if predictions else None
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, disable=not progress) as bar:
        overall = bar.add_task("all", total=len(todo))
        current = bar.add_task("", total=None)
        run = _Runner(extract, offered, kept)
        for job in todo:
            if job.key in stored:  # two files of the same weights
                bar.advance(overall)
                continue
            bar.reset(current, description=job.title, total=None)
            try:
                records = run(job, functools.partial(_show, bar, current))
            except Exception as error:  # of whatever kind: a user's own task may raise any
                miss(job.title, _reason(error))
                _log.debug("%s", job.title, exc_info=error)
            else:
                stored[job.key] = append_job(records, results, job.key)
            bar.advance(overall)
        bar.remove_task(current)
    return SuiteRecords(
        (
            record._replace(
                method=job.subject.name,
                dataset=job.data.name,
                checkpoint=job.subject.about.checkpoint,
            )
            for job in jobs
            for record in stored.get(job.key, [])
        ),
        missing,
    )


class _Runner:
    """Runs jobs; keeps the backbone and the features from one job to the next."""

    def __init__(
        self, extract: Callable[..., Features], offered: Mapping[str, Any], kept: Path | None
    ) -> None:
        self._extract = extract
        self._offered = offered
        self._kept = kept
        self._last: tuple[SuiteSet, Subject] | None = None
        self._backbone: Backbone | None = None
        self._features: dict[tuple[str, str], Features] = {}

    def __call__(self, job: Job, show: Callable[[int, int], None]) -> list[Record]:
        if self._last != (job.data, job.subject):
            if self._last is not None and self._last[0] is not job.data:
                self._last[0].forget()
            self._last = (job.data, job.subject)
            self._backbone = None
            self._features = {}
        # A task may have trained it; what comes next is of the weights that were asked for.
        if self._backbone is None or self._backbone.about().weights != job.subject.about.weights:
            self._backbone = job.subject.load()
        task = TASKS[job.task]
        inputs: list[Any]
        if task.on == FEATURES:
            inputs = [self._features_of(job, part) for part in task.parts]
        else:
            inputs = [self._backbone, *(job.data.kept(task.kind, part) for part in task.parts)]
        said = {
            "about": job.subject.about._replace(method=job.subject.name, dataset=job.data.name),
            "classes": job.data.images(task.kind, task.parts[0]).classes,
            "predictions": self._kept and self._kept / f"{job.key}.npz",
            "arrays": self._kept and self._kept / f"{job.key}.npz",
            "progress": show,
        }
        records = task.call(inputs, {**self._offered, **said}, job.options)
        if not records:
            raise ValueError("the task gave no record")
        prints = [job.data.fingerprint(task.kind, part) for part in task.parts]
        if any(
            job.data.images(task.kind, part).fingerprint() != fingerprint
            for part, fingerprint in zip(task.parts, prints, strict=True)
        ):
            raise ValueError("the images changed while it ran: run it again")
        data = {
            "data": [fingerprint.digest for fingerprint in prints],
            "data_hashed": "content" if all(p.by_content for p in prints) else "paths and sizes",
        }
        return [record._replace(settings={**record.settings, **data}) for record in records]

    def _features_of(self, job: Job, part: Any) -> Features:
        task = TASKS[job.task]
        policy = view_of(task, job.subject.input, self._offered["image_size"])
        key = part, repr(describe_view(policy))
        if key not in self._features:
            images = job.data.images(task.kind, part)
            self._features[key] = self._extract(self._backbone, images, policy=policy)
        return self._features[key]


def _reason(error: Exception) -> str:
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{kind}{error}"


def _show(bar: Progress, task: Any, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def trainer_options(device: str | torch.device) -> dict[str, Any]:
    """A device as Lightning's Trainer names it.

    Example:
        >>> trainer_options("cuda:1")
        {'accelerator': 'gpu', 'devices': [1]}
    """
    device = torch.device(device)
    accelerator = "gpu" if device.type == "cuda" else device.type
    return {
        "accelerator": accelerator,
        "devices": 1 if device.index is None or accelerator == "cpu" else [device.index],
    }
