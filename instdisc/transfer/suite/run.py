"""Tasks times data sets times checkpoints, on record and resumable."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.records import append_job, read_jobs
from instdisc.runs import append_run
from instdisc.types import Record
from instdisc.worker_files import take_over

from .checking import check_options, without_thumbnails
from .dispatch import Dispatch
from .executor import Executor, is_made
from .parcels import check_parts, pack
from .plan import Job, plan_jobs
from .progress import suite_progress, tell_job
from .registry import TASKS
from .sets import DataSets, Keep, find_sets
from .subjects import Checkpoints, find_subjects
from .suite_records import Kept, Missing, SuiteRecords
from .thumbnails import keep_pictures
from .units import group_jobs
from .work import AUTO, Outcome, Settings, Work, find_device, run_jobs

_log = logging.getLogger(__name__)


@checked_call(free=["device", "executor"])  # a device of the machine where jobs run
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
    executor: Executor | Callable[[], Executor] | None = None,
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
        device: where to compute; ``"auto"`` is a GPU if there is one where the jobs run.
        precision: Lightning's, of the tasks that train the backbone.
        keep: ``"memory"`` decodes a set once for the tasks that train on it.
        predictions: whether to keep the predictions of each job, in ``predictions/JOB.npz`` beside
            `results`.
        thumbnails: whether what is kept may show images: with the `predictions` of classes, small
            pictures of the test images on which methods differ, in ``pictures`` beside `results`;
            and in the arrays of a task or analysis that has the option ``thumbnail``.
        seed: of the tasks, and of random weights.
        progress: show a bar.
        executor: runs the jobs on other processes or machines, which see the same files; ``None``:
            this process does. Whatever has ``submit`` as `concurrent.futures.Executor` does:
            of dask, mpi4py or submitit. Or a function that makes one, such as `Processes`, so that
            another is made where a process that died broke it.

    Returns:
        The records of what was asked for, data set by data set, with what is `missing`.

    Raises:
        ValueError: before anything runs: if a task or an option is unknown or out of range, a file
            is no checkpoint or its weights are not finite, or `results` holds a line that is no
            record.
        TypeError: if an option is no JSON value, a checkpoint or data set is of another kind, or
            something cannot be given to the processes of the executor.

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
    _check_place(device, executor)
    results = Path(checks.instance("results", results, (str, Path), "a path"))
    if results.is_dir():
        checks.refuse("results", "a file", str(results), "Name one in it: results.jsonl.")
    take_over(results)
    stored = read_jobs(results)
    missing: list[Missing] = []

    def miss(what: str, why: str) -> None:
        if Missing(what, why) not in missing:
            missing.append(Missing(what, why))
            _log.warning("skipped %s: %s", what, why)

    settings = Settings(
        cache=results.parent / "features" if cache is None else Path(cache),
        kept=results.parent / "predictions" if predictions else None,
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
        precision=precision,
        seed=seed,
    )
    subjects = find_subjects(checkpoints, seed, miss)
    sets = find_sets(data_sets, data_root, keep)
    jobs = plan_jobs(subjects, sets, tasks, options, settings._asdict(), miss)
    todo = {job.key: job for job in _to_run(jobs, stored, settings.kept)}
    failed: dict[str, str] = {}
    with suite_progress(shown=progress) as bar:
        overall = bar.add_task("all", total=len(todo))
        for key, records, why in _outcomes(list(todo.values()), settings, results, executor, bar):
            title = todo[key].title
            if why:
                failed[key] = why
                _log.warning("skipped %s: %s", title, why)
            else:
                stored[key] = append_job(records, results, key)
                tell_job(bar, title, stored[key])
            bar.advance(overall)
    lost = [Missing(job.title, failed[key]) for key, job in todo.items() if key in failed]
    missing += [entry for entry in dict.fromkeys(lost) if entry not in missing]
    if predictions and thumbnails:
        keep_pictures(jobs, list(todo.values()), stored, results.parent)
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


def _check_place(device: object, executor: object) -> None:
    """Refuses what cannot compute; a device of other machines they know themselves."""
    if executor is None:
        find_device(device)  # type: ignore[arg-type]
        return
    checks.instance("device", device, (str, torch.device), "a device of torch, or 'auto'")
    if device != AUTO:
        try:
            torch.device(device)  # type: ignore[call-overload]
        except RuntimeError:
            checks.refuse("device", "a device of torch such as 'cpu' or 'cuda:0'", device)
    if not (is_made(executor) or callable(executor)):
        rule = "an executor, or a function that makes one"
        checks.refuse("executor", rule, executor, kind=TypeError)


def _outcomes(
    jobs: Sequence[Job],
    settings: Settings,
    results: Path,
    executor: Executor | Callable[[], Executor] | None,
    bar: Progress,
) -> Iterator[Outcome]:
    """Runs the jobs, here or elsewhere."""
    if executor is None:
        current = bar.add_task("", total=None)

        def begin(job: Job) -> Callable[[int, int], None]:
            bar.reset(current, description=job.title, total=None)
            return functools.partial(_show, bar, current)

        yield from run_jobs(Work(tuple(jobs), settings, TASKS), begin)
        bar.remove_task(current)
    elif jobs:
        check_parts(jobs)
        pack_unit = functools.partial(pack, settings=settings, results=results.absolute())
        yield from Dispatch(executor, pack_unit, results.absolute())(group_jobs(jobs))


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


def _show(bar: Progress, task: Any, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)
