"""The runs that records come from, with what they kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from instdisc.predictions import read_predictions
from instdisc.types import Record

from ..material import Material, test_digest
from ..pooling import method_labels

RANDOM = "random"


class Job(NamedTuple):
    """A run of a task.

    Attributes:
        method: what tables call it.
        record: its first.
        arrays: what it kept.
    """

    method: str
    record: Record
    arrays: dict[str, np.ndarray]

    @property
    def digest(self) -> str:
        """Of the test images; two runs with the same were tested on the same."""
        return test_digest(self.record)

    @property
    def is_random(self) -> bool:
        """Whether its weights were never trained."""
        return RANDOM in (self.record.pretraining, self.record.method)


def read_jobs(material: Material, columns: Sequence[str]) -> list[Job]:
    """The runs that kept some arrays, in the order of their records.

    Of several runs of a method and task on the same images (seeds, settings) the first stands for
    all.

    Args:
        material: of the report.
        columns: names of the arrays.

    Raises:
        ValueError: if a file is damaged.
    """
    jobs: dict[tuple[str, str, str, str], Job] = {}
    seen: set[str] = set()
    labels = method_labels(material.records) if material.records else []
    for record, method in zip(material.records, labels, strict=True):
        key = (record.dataset, test_digest(record), record.task, method)
        if not record.job or record.job in seen or key in jobs:
            continue
        seen.add(record.job)
        paths = (folder / "predictions" / f"{record.job}.npz" for folder in material.folders)
        path = next((path for path in paths if path.is_file()), None)
        arrays = {} if path is None else read_predictions(path, needed=columns)
        if arrays:
            jobs[key] = Job(method, record, arrays)
    return list(jobs.values())


def stored_files(arrays: dict[str, np.ndarray], name: str) -> list[bytes]:
    """The files that stand one after the other in an array, see `save_predictions`."""
    if not arrays[name].size:
        return []
    ends = arrays[f"{name}_ends"].astype(int)
    return [part.tobytes() for part in np.split(arrays[name].astype(np.uint8), ends[:-1])]


class Thumbnails(NamedTuple):
    """Small pictures of test images.

    Attributes:
        files: by the name of the image.
        classes: names of the classes.
    """

    files: dict[str, bytes]
    classes: list[str]

    def class_name(self, label: int) -> str:
        """Of a class; its number where it has none."""
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)


def read_thumbnails(folders: Sequence[Path], digest: str) -> Thumbnails:
    """What the suite kept in ``pictures/DIGEST.npz`` of all folders."""
    files: dict[str, bytes] = {}
    classes: list[str] = []
    for folder in folders:
        path = folder / "pictures" / f"{digest}.npz"
        if digest and path.is_file():
            arrays = read_predictions(path)
            names = [str(name) for name in arrays["image"].tolist()]
            files.update(zip(names, stored_files(arrays, "picture"), strict=True))
            classes = [str(name) for name in arrays["classes"].tolist()]
    return Thumbnails(files, classes)
