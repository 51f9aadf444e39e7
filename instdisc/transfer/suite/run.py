"""Tasks times data sets times checkpoints, on record and resumable."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from instdisc.data import ImageSource
from instdisc.models import Backbone
from instdisc.types import Record

from ..features.cache import cached_features
from ..features.extract import Features
from .kinds import LACKS, Kind, kinds_of
from .results import append_job, read_jobs
from .sets import AnnotatedSet, ImageSet
from .subjects import Checkpoints, Subject, find_subjects
from .tasks import TASKS, check_options, trainer_options

_log = logging.getLogger(__name__)


class Job(NamedTuple):
    """One call of one task.

    Attributes:
        key: a hash of all that its result depends on.
        task: its name.
        options: those that are given.
        data: the data set.
        subject: the backbone.
    """

    key: str
    task: str
    options: dict[str, Any]
    data: ImageSet | AnnotatedSet
    subject: Subject


def run_suite(
    checkpoints: Checkpoints,
    data_sets: Sequence[str],
    *,
    tasks: Sequence[str] = ("knn", "linear", "few_shot"),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    data_root: str | Path = "data",
    results: str | Path = "runs/transfer/results.jsonl",
    cache: str | Path | None = None,
    image_size: int = 224,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    precision: str = "32-true",
    keep: Literal["nothing", "memory"] = "nothing",
    seed: int = 0,
    progress: bool = True,
) -> list[Record]:
    """Runs every task on every data set with every checkpoint, and writes each result at once.

    A result that stands in the file `results` is not made again, unless the weights, the classes
    or labels of the data set, the options of the task, the image size, the precision or the seed
    have changed. A checkpoint or data set that is not there is skipped, and so is a task that a
    data set cannot serve or that refuses it; a line in the log says so.

    Args:
        checkpoints: files, as ``NAME=FILE`` to name them in the table; ``"random"`` for random
            weights in the architecture of the first file, or ``"random:resnet50"``. Or names with
            such a file or a `Backbone` each.
        data_sets: names of the catalog, folders or tables; see `open_images`, and
            `open_objects`, `open_segments` and `open_landmarks` for the tasks on these.
        tasks: names in `TASKS`.
        options: for a task, keywords of its function; JSON values.
        data_root: the folder that holds the data sets.
        results: the ``.jsonl`` file.
        cache: the folder of the features; ``None`` for ``features`` beside `results`.
        image_size: side of the views in pixels.
        batch_size: images at once for features.
        num_workers: processes that read.
        device: where to compute.
        precision: Lightning's, of the tasks that train the backbone.
        keep: ``"memory"`` decodes a set once for the tasks that train on it.
        seed: of the tasks, and of random weights.
        progress: show a bar.

    Returns:
        The records of what was asked for, data set by data set.

    Raises:
        ValueError: if a task or an option is unknown, a file is no checkpoint, a data set has
            another layout, or `results` holds a line that is no record.
        TypeError: if an option is no JSON value.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     for index in range(8):
        ...         place = Path(folder, "colours", "red" if index % 2 else "blue")
        ...         place.mkdir(parents=True, exist_ok=True)
        ...         Image.new("RGB", (32, 32), place.name).save(place / f"{index}.png")
        ...     records = run_suite(
        ...         {"random": Backbone("test_resnet")}, ["colours"], tasks=["knn"], image_size=32,
        ...         data_root=folder, results=f"{folder}/results.jsonl", progress=False,
        ...     )
        >>> [(record.task, record.dataset, record.method) for record in records]
        [('knn', 'colours', 'random')]
    """
    tasks, options = list(tasks), options or {}
    check_options(tasks, options)
    results = Path(results)
    extract = functools.partial(
        cached_features,
        folder=results.parent / "features" if cache is None else cache,
        image_size=image_size,
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
    subjects = find_subjects(checkpoints, seed, _skip)
    sets = [_open(str(name), data_root, keep) for name in data_sets]
    jobs = _plan(subjects, sets, tasks, options, offered)
    stored = read_jobs(results)
    todo = [job for job in jobs if job.key not in stored]
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, disable=not progress) as bar:
        whole = bar.add_task("all", total=len(todo))
        current = bar.add_task("", total=None)
        run = _Runner(extract, offered)
        refused: set[str] = set()
        for job in todo:
            title = f"{job.data.name}, {job.subject.method}: {job.task}"
            bar.reset(current, description=title, total=None)
            show = functools.partial(_show, bar, current)
            try:
                records = run(job, show)
            except ValueError as error:
                why = f"{job.task} on {job.data.name}: {error}"
                if why not in refused:  # once, not with every backbone
                    _skip(why)
                refused.add(why)
            else:
                stored[job.key] = append_job(results, job.key, records)
            bar.advance(whole)
        bar.remove_task(current)
    return [
        record._replace(method=job.subject.method)
        for job in jobs
        for record in stored.get(job.key, [])
    ]


class _Sets(NamedTuple):
    """A data set as each kind of task sees it."""

    name: str
    of_kind: dict[Kind, ImageSet | AnnotatedSet]


def _open(name: str, root: str | Path, keep: Literal["nothing", "memory"]) -> _Sets:
    found: dict[Kind, ImageSet | AnnotatedSet] = {
        kind: ImageSet(name, root, keep) if kind == "images" else AnnotatedSet(kind, name, root)
        for kind in kinds_of(name, root)
    }
    return _Sets(next(iter(found.values())).name, found)


class _Runner:
    """Runs jobs; keeps the backbone and the features from one job to the next."""

    def __init__(self, extract: Any, offered: Mapping[str, Any]) -> None:
        self._extract = extract
        self._offered = offered
        self._last: tuple[ImageSet | AnnotatedSet, Subject] | None = None
        self._backbone: Backbone | None = None
        self._features: dict[int, Features] = {}

    def __call__(self, job: Job, show: Any) -> list[Record]:
        if self._last != (job.data, job.subject):
            if self._last is not None and self._last[0] is not job.data:
                self._last[0].forget()
            self._last = (job.data, job.subject)
            self._backbone = job.subject.load()
            self._features = {}
        task = TASKS[job.task]
        inputs: list[Any]
        if task.on == "features" and isinstance(job.data, ImageSet):
            inputs = [job.data.features(part, self._features_of) for part in task.parts]
        else:
            inputs = [self._backbone, *(job.data.kept(part) for part in task.parts)]
        own = {
            "dataset": job.data.name,
            "method": job.subject.method,
            "checkpoint": job.subject.checkpoint,
            "classes": job.data.images(task.parts[0]).classes,
            "progress": show,
        }
        found = task.call(inputs, {**self._offered, **own}, job.options)
        size = {"image_size": self._offered["image_size"]}  # features do not tell it
        size = size if task.has_image_size else {}
        return [record._replace(settings={**size, **record.settings}) for record in found]

    def _features_of(self, images: ImageSource) -> Features:
        if id(images) not in self._features:
            self._features[id(images)] = self._extract(self._backbone, images)
        return self._features[id(images)]


def _plan(
    subjects: Sequence[Subject],
    sets: Sequence[_Sets],
    tasks: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    offered: Mapping[str, Any],
) -> list[Job]:
    """Every job, data set by data set, so that images kept in memory serve every backbone."""
    jobs = []
    for own in sets:
        digests: dict[str, tuple[ImageSet | AnnotatedSet, str]] = {}
        for name in tasks:
            task = TASKS[name]
            if task.kind not in own.of_kind:
                _skip(f"{name} on {own.name}, which has no {LACKS[task.kind]}")
                continue
            data = own.of_kind[task.kind]
            why = data.refusal(task.parts)
            if why:
                _skip(f"{name} on {data.name}, {why}")
                continue
            try:
                digests[name] = data, data.digest(TASKS[name].parts)
            except FileNotFoundError as error:
                _skip(f"the data set {data.name}: {error}")
                break
        for subject in subjects:
            for name, (data, digest) in digests.items():
                for given in TASKS[name].jobs(options.get(name, {})):
                    key = _key(name, given, offered, data.name, digest, subject.digest)
                    jobs.append(Job(key, name, given, data, subject))
    return jobs


def _key(
    task: str,
    given: Mapping[str, Any],
    offered: Mapping[str, Any],
    dataset: str,
    data_digest: str,
    weights: str,
) -> str:
    known = TASKS[task].options
    settings = dict(known)
    settings.update({name: offered[name] for name in ("image_size", "precision") if name in known})
    settings.update(given)
    for name in ("num_workers", "device", "accelerator", "devices"):
        settings.pop(name, None)  # where it is computed does not change the result
    size = offered["image_size"] if TASKS[task].has_image_size else None
    about = [task, dataset, data_digest, weights, size, offered["seed"], settings]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def _show(bar: Progress, task: Any, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _skip(what: str) -> None:
    _log.warning("skipped %s", what)
