"""Units of work on an executor: what is submitted, what is done, and whose process died."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from instdisc.worker_files import begun_jobs, forget_unit, kept_jobs

from .executor import Executor, MadeAgain
from .parcels import Parcel, run_parcel
from .plan import Job
from .units import Unit
from .work import Outcome, reason_of

_PAUSE = 0.2  # seconds between two looks at what is no future of Python's


class _Sent(NamedTuple):
    unit: Unit
    name: str
    executor: Executor


class Dispatch:
    """Runs units of work on an executor.

    A unit whose process dies is told by the exception of its result, since the exceptions of jobs
    come back as values. The job that it was running is run once more, when all others are done and,
    where processes die together, alone; so whose fault a second death is cannot be mistaken. What
    the unit had not begun is run with the rest.

    Args:
        executor: or a function that makes one; another is made if processes that died broke it.
        pack: a unit, ready to travel.
        results: the results file.
    """

    def __init__(
        self,
        executor: Executor | Callable[[], Executor],
        pack: Callable[[Unit], Parcel],
        results: Path,
    ) -> None:
        self._executor = MadeAgain(executor)
        self._pack = pack
        self._results = results
        self._waiting: list[Unit] = []
        self._again: list[Unit] = []
        self._sent: dict[Any, _Sent] = {}
        self._deaths: Counter[str] = Counter()
        self._die_together = False

    def __call__(self, units: Sequence[Unit]) -> Iterator[Outcome]:
        """What became of each job, in the order in which units end."""
        self._waiting = list(units)
        try:
            self._executor.current()  # what cannot be made at all is an error
            while self._waiting or self._again or self._sent:
                yield from self._submit(self._ready())
                for future in self._ended():
                    sent = self._sent.pop(future)
                    yield from self._outcomes(future, sent)
                    forget_unit(self._results, sent.name)
        finally:
            self._end()

    def _ready(self) -> list[Unit]:
        """Takes out the units that can be submitted now."""
        if not (self._waiting or self._sent):
            count = 1 if self._die_together else len(self._again)
            ready, self._again = self._again[:count], self._again[count:]
            return ready
        unfinished = {unit.group for unit in self._waiting}
        unfinished |= {sent.unit.group for sent in self._sent.values()}
        ready = [unit for unit in self._waiting if not unit.needs & unfinished]
        self._waiting = [unit for unit in self._waiting if unit.needs & unfinished]
        return ready

    def _submit(self, units: list[Unit]) -> Iterator[Outcome]:
        """Submits units; tells those that nobody takes."""
        while units:
            why = self._executor.renew()
            try:
                if not why:
                    self._submit_to(self._executor.current(), units)
                    return
            except BrokenExecutor as error:
                self._executor.note_broken(error)
            except Exception as error:  # e.g. of a queue that cannot be reached
                why = f"the executor takes no work ({reason_of(error)})"
            taken = [sent.unit for sent in self._sent.values()]
            units = [unit for unit in units if all(unit is not other for other in taken)]
            if why:
                units += [*self._waiting, *self._again]
                self._waiting, self._again = [], []
                yield from (Outcome(job.key, [], why) for unit in units for job in unit.jobs)
                return

    def _submit_to(self, executor: Any, units: list[Unit]) -> None:
        # submitit makes one array of jobs of what is submitted together.
        batch = getattr(executor, "batch", None)
        sent: dict[Any, _Sent] = {}
        try:
            with nullcontext() if batch is None else batch():
                for unit in units:
                    parcel = self._pack(unit)
                    future = executor.submit(run_parcel, parcel)
                    sent[future] = _Sent(unit, parcel.name, executor)
        except Exception:
            self._sent |= sent if batch is None else {}  # else none was submitted
            raise
        self._sent |= sent

    def _ended(self) -> list[Any]:
        """Waits until a unit has ended; gives those that have."""
        futures = list(self._sent)
        if all(isinstance(future, Future) for future in futures):
            return list(wait(futures, return_when=FIRST_COMPLETED).done) if futures else []
        while True:
            ended = [future for future in futures if _is_done(future)]
            if ended:
                return ended
            time.sleep(_PAUSE)

    def _outcomes(self, future: Any, sent: _Sent) -> Iterator[Outcome]:
        try:
            outcomes = future.result()
        except (Exception, SystemExit) as error:
            if isinstance(error, BrokenExecutor):
                self._die_together = True
                self._executor.note_broken(error, sent.executor)
            yield from self._bury(sent, error)
        else:
            self._executor.note_progress()
            yield from outcomes

    def _bury(self, sent: _Sent, error: BaseException) -> Iterator[Outcome]:
        """Tells what is known of a unit whose process died, and has the rest of it run again."""
        kept = kept_jobs(self._results, sent.name)
        begun = begun_jobs(self._results, sent.name)
        yield from (Outcome(key, records) for key, records in kept.items())
        left = [job for job in sent.unit.jobs if job.key not in kept]
        if begun:
            self._executor.note_progress()
        elif isinstance(error, BrokenExecutor):  # it was waiting for a process
            self._put_back(sent.unit, left)
            return
        if not left:
            return
        suspect = next((job for job in left if job.key in begun[-1:]), left[0])
        dependent = [job for job in left if job.after is not None and job.after.key == suspect.key]
        self._deaths[suspect.key] += 1
        if self._deaths[suspect.key] == 1:
            again = [suspect, *dependent]
            self._again.append(Unit(sent.unit.group, tuple(again)))
            self._put_back(sent.unit, [job for job in left if job not in again])
        else:
            why = f"the process that ran it died twice ({reason_of(error)})"
            yield Outcome(suspect.key, [], why)
            self._put_back(sent.unit, [job for job in left if job is not suspect])

    def _put_back(self, unit: Unit, jobs: Sequence[Job]) -> None:
        if jobs:
            self._waiting.insert(0, Unit(unit.group, tuple(jobs), unit.needs))

    def _end(self) -> None:
        """Leaves nothing behind that was made here; what a user gave stays open."""
        for future in self._sent:  # of a driver that was interrupted
            with suppress(Exception):
                future.cancel()
        self._executor.end(wait=not self._sent)


def _is_done(future: Any) -> bool:
    try:
        return bool(future.done())
    except Exception:  # which its result tells of
        return True
