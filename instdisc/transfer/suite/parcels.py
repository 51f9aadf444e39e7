"""A unit of work on its way to another process, and there."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import platform
import threading
import uuid
from collections import ChainMap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from instdisc import checks
from instdisc.data import LAYOUTS
from instdisc.data.layout import Layout
from instdisc.lines import mark_job
from instdisc.version import __version__
from instdisc.worker_files import keep_job, note_begun

from .plan import Job
from .registry import TASKS
from .tasks import Task, accept_options
from .units import Unit
from .work import Outcome, Settings, Work, reason_of, run_jobs

try:  # what a script or a notebook defines itself travels, too
    import cloudpickle
except ImportError:
    cloudpickle: Any = None  # type: ignore[no-redef]

_log = logging.getLogger(__name__)
# Jobs draw from the random numbers of their process: two threads of one would mix them.
_one_at_a_time = threading.RLock()


class Parcel(NamedTuple):
    """A unit of work as it is submitted.

    Attributes:
        name: of its own at every try, so that no executor takes it for one that it knows.
        keys: of the jobs.
        results: the results file.
        folder: where the driver works; relative paths are from there.
        version: of instdisc.
        content: jobs, settings, and what a user added to `TASKS` and `LAYOUTS`; pickled.
    """

    name: str
    keys: tuple[str, ...]
    results: Path
    folder: str
    version: str
    content: bytes


def pack(unit: Unit, settings: Settings, results: Path) -> Parcel:
    """A unit of work, ready to travel.

    Args:
        unit: the jobs.
        settings: of the suite.
        results: the results file.
    """
    keys = tuple(job.key for job in unit.jobs)
    content = _dumps((unit.jobs, settings, _own_tasks(unit.jobs), _own_layouts()))
    return Parcel(uuid.uuid4().hex, keys, results, os.getcwd(), __version__, content)


def check_parts(jobs: Iterable[Job]) -> None:
    """Refuses, before anything runs, what cannot travel to another process.

    Raises:
        TypeError: names the task, the layout, the checkpoint or the data set.
    """
    jobs = list(jobs)
    parts: dict[str, Any] = {f"TASKS[{name!r}]": task for name, task in _own_tasks(jobs).items()}
    parts |= {f"LAYOUTS: {layout.name}": layout for layout in _own_layouts()}
    parts |= {f"checkpoint {s.name!r}": s for job in jobs for s in job.subjects}
    parts |= {f"data set {job.data.name!r}": job.data for job in jobs}
    for name, part in parts.items():
        try:
            _dumps(part)
        except Exception as error:  # pickle raises of several kinds
            raise TypeError(
                f"`{name}` must be something that other processes can be given, and it cannot be "
                f"pickled ({reason_of(error)}). Put its functions and classes at the top of a "
                'module that they can import, or pip install "instdisc[executors]".'
            ) from error


def run_parcel(parcel: Parcel) -> list[Outcome]:
    """Runs a unit of work in this process; what is done is kept in a file at once."""
    with _one_at_a_time:
        try:
            work = _unpack(parcel)
        except Exception as error:  # whatever the import of a user's module raises
            why = f"{platform.node()} cannot run it: {reason_of(error)}"
            return [Outcome(key, [], why) for key in parcel.keys]
        return [_kept(parcel, outcome) for outcome in run_jobs(work, _begin(parcel))]


def leave_with_driver() -> None:
    """Has this process of a pool end when the one that started it has died, and its unit is done.

    Else it would wait for work for ever: it holds both ends of the pipe that it waits at.
    """
    driver = multiprocessing.parent_process()
    if driver is not None:
        threading.Thread(target=_leave_after, args=(driver,), daemon=True).start()


def _leave_after(driver: Any) -> None:
    driver.join()
    with _one_at_a_time:
        os._exit(1)


def _unpack(parcel: Parcel) -> Work:
    if parcel.version != __version__:
        checks.refuse(
            "executor",
            f"of processes with instdisc {parcel.version}, as the one that submits",
            __version__,
            "Install one version everywhere.",
        )
    if not Path(parcel.folder).is_dir():
        raise FileNotFoundError(
            f"there is no folder {parcel.folder}: all processes must see the same files"
        )
    if os.getcwd() != parcel.folder:
        os.chdir(parcel.folder)
    try:
        jobs, settings, tasks, layouts = pickle.loads(parcel.content)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{reason_of(error)}. Your tasks, sources and backbones must be in a module that can "
            "be imported there."
        ) from error
    present = {(layout.kind, layout.name) for layout in LAYOUTS}
    LAYOUTS.extend(layout for layout in layouts if (layout.kind, layout.name) not in present)
    return Work(jobs, settings, ChainMap(tasks, TASKS))


def _begin(parcel: Parcel) -> Callable[[Job], Callable[[int, int], None]]:
    def begin(job: Job) -> Callable[[int, int], None]:
        note_begun(parcel.results, parcel.name, job.key)
        return lambda done, total: None

    return begin


def _kept(parcel: Parcel, outcome: Outcome) -> Outcome:
    """The outcome, on disk for the case that nobody waits for it any more."""
    records = mark_job(outcome.records, outcome.key)
    if records:
        try:
            keep_job(parcel.results, parcel.name, records)
        except OSError as error:  # the driver gets them all the same
            _log.warning("records of %s are not kept beside the results: %s", outcome.key, error)
    return outcome._replace(records=records)


def _own_tasks(jobs: Iterable[Job]) -> dict[str, Task]:
    """The tasks that another process may not know, without what the driver alone needs."""
    return {
        job.task: TASKS[job.task]._replace(check=accept_options, protocols={})
        for job in jobs
        if TASKS.is_added(job.task)
    }


def _own_layouts() -> list[Layout]:
    """The layouts of sets that another process may not know."""
    return [
        layout
        for layout in LAYOUTS
        if not str(getattr(layout.open, "__module__", "")).startswith("instdisc.")
    ]


def _dumps(part: object) -> bytes:
    return bytes((cloudpickle or pickle).dumps(part))
