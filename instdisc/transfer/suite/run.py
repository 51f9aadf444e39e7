"""Tasks times data sets times checkpoints, on record and resumable."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import Progress

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.records import append_job, read_jobs
from instdisc.runs import append_run
from instdisc.types import Record

from ..features.cache import cached_features
from .checking import check_options, without_thumbnails
from .plan import Job, plan_jobs
from .progress import suite_progress, tell_job
from .registry import TASKS
from .runner import Runner
from .sets import DataSets, Keep, find_sets
from .subjects import Checkpoints, find_subjects
from .thumbnails import keep_pictures

_log = logging.getLogger(__name__)


@checked_call()
class Missing(NamedTuple):
    """Something that was asked for and has no result.

    Attributes:
        what: e.g. ``"knn on pets with MoCo"``.
        why: the reason.
    """

    what: str
    why: str


@checked_call()
class Kept(NamedTuple):
    """The arrays that a job of a suite wrote.

    Attributes:
        task: its name in `TASKS`.
        dataset: on what.
        methods: the backbones that it looked at, by their names in the table.
        path: the ``.npz`` file, see `read_predictions`; it is not there if the job kept nothing.
    """

    task: str
    dataset: str
    methods: tuple[str, ...]
    path: Path


class SuiteRecords(list[Record]):
    """The records of a suite, and what has none.

    Attributes:
        missing: what was asked for and has no result.
        kept: the arrays of every job that has a result, in the order of the records.
    """

    @checked_call()
    def __init__(
        self,
        records: Iterable[Record] = (),
        missing: Sequence[Missing] = (),
        kept: Sequence[Kept] = (),
    ) -> None:
        super().__init__(records)
        self.missing = list(missing)
        self.kept = list(kept)


@checked_call()
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
    thumbnails: bool = True,
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
            where the file does not tell its timm name; ``"hf-hub:USER/REPO"`` for a repository of
            the Hugging Face Hub; ``"timm:NAME"`` for timm's published weights; ``"random"`` for
            random weights in each architecture of the checkpoints, or ``"random:resnet50"``; a
            `Backbone`. Or a mapping of names to these.
        data_sets: names of sets, folders or tables, see `instdisc.data.LAYOUTS`; as
            ``NAME=FOLDER`` for a known set in that folder, or to name a folder. ``SET@PART`` is a
            part of one alone, by its official name (``"cropdisease@train"``). An `ImageSource`;
            it is split by seed 0 where a task needs parts, and so is a part. A pair of any of
            these to train on and to test on, as text ``NAME=TRAIN:TEST``, whose classes are
            matched by name; or three, ``NAME=BASE_TRAIN:BASE_TEST:NOVEL``, for the task
            ``base_and_novel``. ``"bscd_fsl"`` stands for the four sets of BSCD-FSL. Or a mapping
            of names to these.
        tasks: names in `TASKS`.
        options: for a task, keywords of its function; JSON values. Of few-shot tasks also
            ``"protocol"`` (``"islam"``, ``"bscd_fsl"``), the published ways, shots, queries and
            episodes; ``"episodes_file"``, a ``.npz`` file of `Episodes` or a folder with
            ``SET.npz``, which is read, or drawn and written; and a list of classifiers.
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
        thumbnails: whether what is kept may show images: with the `predictions` of classes, small
            pictures of the test images on which methods differ, in ``pictures`` beside `results`;
            and in the arrays of a task or analysis that has the option ``thumbnail``.
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
        >>> from instdisc.models import Backbone
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
    if not thumbnails:
        options = without_thumbnails(options, tasks)
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
    kept = results.parent / "predictions" if predictions else None
    todo = _to_run(jobs, stored, kept)
    with suite_progress(shown=progress) as bar:
        overall = bar.add_task("all", total=len(todo))
        current = bar.add_task("", total=None)
        run = Runner(extract, offered, kept)
        for job in todo:
            bar.reset(current, description=job.title, total=None)
            try:
                records = run(job, functools.partial(_show, bar, current))
            except Exception as error:  # of whatever kind: a user's own task may raise any
                miss(job.title, _reason(error))
                _log.debug("%s", job.title, exc_info=error)
            else:
                stored[job.key] = append_job(records, results, job.key)
                tell_job(bar, job.title, stored[job.key])
            bar.advance(overall)
        bar.remove_task(current)
    if predictions and thumbnails:
        keep_pictures(jobs, todo, stored, results.parent)
    append_run(results, missing)
    folder = results.parent / "predictions"
    return SuiteRecords(
        (_named(record, job) for job in jobs for record in stored.get(job.key, [])),
        missing,
        [
            Kept(job.task, job.data.name, job.methods, folder / f"{job.key}.npz")
            for job in jobs
            if job.key in stored
        ],
    )


def _named(record: Record, job: Job) -> Record:
    """A record under the names that are used now."""
    # Of base and novel classes the record itself says which.
    ending = next((end for end in (" base", " novel") if record.dataset.endswith(end)), "")
    kept = ending if "novel" in TASKS[job.task].parts else ""
    record = record._replace(dataset=f"{job.data.name}{kept}")
    if TASKS[job.task].together:
        return record
    subject = job.subject
    return record._replace(method=subject.name, checkpoint=subject.about.checkpoint)


def _to_run(jobs: Sequence[Job], stored: Collection[str], kept: Path | None) -> list[Job]:
    """Each job without a result, behind the one whose predictions it takes, if these are gone.

    The arrays of an analysis are part of its result; one that lacks them is run again.
    """

    def lacks(job: Job) -> bool:
        return kept is not None and not (kept / f"{job.key}.npz").is_file()

    todo: dict[str, Job] = {}  # two files of the same weights are one job
    for job in jobs:
        if job.key in stored and not (TASKS[job.task].writes_arrays and lacks(job)):
            continue
        if job.after is not None and lacks(job.after):
            todo.setdefault(job.after.key, job.after)
        todo.setdefault(job.key, job)
    return list(todo.values())


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
