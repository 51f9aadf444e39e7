"""Which jobs of a suite go together to one process, and which come later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .plan import Job
from .registry import TASKS
from .tasks import FEATURES


class Unit(NamedTuple):
    """Jobs that one process runs, one after the other.

    Attributes:
        group: what they have in common.
        jobs: in their order.
        needs: groups that come first.
    """

    group: str
    jobs: tuple[Job, ...]
    needs: frozenset[str] = frozenset()


def group_jobs(jobs: Sequence[Job]) -> list[Unit]:
    """The jobs as units of work, in the order of the first job of each.

    Jobs on the features of one backbone on one set are a unit, since these are computed once; so
    are a job and those that take its predictions. Any other job is a unit of its own. One on the
    features of several backbones comes when the units that compute them are done.

    Args:
        jobs: to be run; each stands behind the one whose predictions it takes.
    """
    groups: dict[str, list[Job]] = {}
    group_of: dict[str, str] = {}
    for job in jobs:
        task = TASKS[job.task]
        group = job.key
        if job.after is not None and job.after.key in group_of:
            group = group_of[job.after.key]
        elif task.on == FEATURES and not task.together:
            group = _features(job, job.subject.name)
        groups.setdefault(group, []).append(job)
        group_of[job.key] = group
    return [
        Unit(group, tuple(members), _needs(members[0]) & groups.keys())
        for group, members in groups.items()
    ]


def _needs(job: Job) -> frozenset[str]:
    task = TASKS[job.task]
    if not (task.together and task.on == FEATURES):
        return frozenset()
    return frozenset(_features(job, subject.name) for subject in job.subjects)


def _features(job: Job, backbone: str) -> str:
    return f"features of {job.data.name} by {backbone}"
