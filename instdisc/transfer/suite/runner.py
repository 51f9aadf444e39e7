"""One job after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from instdisc.data import CatalogImages, ImageSource, describe_view
from instdisc.models import Backbone
from instdisc.predictions import read_predictions
from instdisc.types import About, Record

from ..features.extract import Features
from .plan import Job, view_of
from .sets import SuiteSet
from .subjects import Subject
from .tasks import FEATURES, Task


class Runner:
    """Runs jobs; keeps the backbone and the features from one job to the next."""

    def __init__(
        self,
        extract: Callable[..., Features],
        offered: Mapping[str, Any],
        kept: Path | None,
        tasks: Mapping[str, Task],
    ) -> None:
        self._extract = extract
        self._offered = offered
        self._kept = kept
        self._tasks = tasks
        self._last: tuple[SuiteSet, Subject] | None = None
        self._backbone: Backbone | None = None
        self._features: dict[tuple[str, str], Features] = {}

    def __call__(self, job: Job, show: Callable[[int, int], None]) -> list[Record]:
        task = self._tasks[job.task]
        inputs = self._inputs(job)
        said = {
            "about": self._about(job),
            "classes": job.data.images(task.kind, task.parts[0]).classes,
            "arrays": self._kept and self._kept / f"{job.key}.npz",
            "progress": show,
        }
        if job.after is None:  # else a task's own `predictions` are what it looks at
            said["predictions"] = said["arrays"]
        records = task.call(inputs, {**self._offered, **said}, job.options)
        if not records:
            raise ValueError("the task gave no record")
        prints = [job.data.fingerprint(task.kind, part) for part in task.parts]
        if any(
            job.data.images(task.kind, part).fingerprint() != fingerprint
            for part, fingerprint in zip(task.parts, prints, strict=True)
        ):
            raise ValueError(
                "the images changed after the suite had begun, or are others where it ran: run it "
                "again"
            )
        data = {
            "data": [fingerprint.digest for fingerprint in prints],
            "data_hashed": "content" if all(p.by_content for p in prints) else "paths and sizes",
        }
        data |= _official_size(job.data.images(task.kind, task.parts[-1]))
        return [record._replace(settings={**record.settings, **data}) for record in records]

    def _about(self, job: Job) -> About:
        """Whose result it is; of several backbones the function itself says which."""
        about = About() if self._tasks[job.task].together else job.subject.about
        method = "" if self._tasks[job.task].together else job.subject.name
        return about._replace(method=method, dataset=job.data.name)

    def _inputs(self, job: Job) -> list[Any]:
        """What the task takes: features of its parts, or backbone or predictions and the parts."""
        task = self._tasks[job.task]
        if task.on == FEATURES:
            of_each = [
                {subject.name: self._features_of(job, subject, part) for subject in job.subjects}
                for part in task.parts
            ]
            return of_each if task.together else [of[job.subject.name] for of in of_each]
        parts = [job.data.kept(task.kind, part) for part in task.parts]
        if job.after is not None:
            return [self._predictions(job.after), *parts]
        if task.together:
            return [{subject.name: subject.load() for subject in job.subjects}, *parts]
        return [self._backbone_of(job, job.subject), *parts]

    def _backbone_of(self, job: Job, subject: Subject) -> Backbone:
        if self._last != (job.data, subject):
            if self._last is not None and self._last[0] is not job.data:
                self._last[0].forget()
            self._last = (job.data, subject)
            self._backbone = None
            self._features = {}
        # A task may have trained it; what comes next is of the weights that were asked for.
        if self._backbone is None or self._backbone.about().weights != subject.about.weights:
            self._backbone = subject.load()
            if self._backbone.about().weights != subject.about.weights:
                raise ValueError(
                    f"the weights of {subject.name!r} changed after the suite had begun, or are "
                    "others where it ran: run it again"
                )
        return self._backbone

    def _features_of(self, job: Job, subject: Subject, part: Any) -> Features:
        task = self._tasks[job.task]
        backbone = self._backbone_of(job, subject)
        policy = view_of(task, subject.input, self._offered["image_size"])
        key = part, repr(describe_view(policy))
        if key not in self._features:
            images = job.data.images(task.kind, part)
            self._features[key] = self._extract(backbone, images, policy=policy)
        return self._features[key]

    def _predictions(self, job: Job) -> dict[str, np.ndarray]:
        if self._kept is None:
            raise ValueError(f"it looks at the predictions of {job.task}: keep them")
        return read_predictions(self._kept / f"{job.key}.npz")


def _official_size(images: ImageSource) -> dict[str, Any]:
    """How many images a part of a set of the catalog has officially, if it has another number."""
    if not isinstance(images, CatalogImages):
        return {}
    size = images.entry.sizes.get(images.split, len(images))
    return {} if size == len(images) else {"official_images": size}
