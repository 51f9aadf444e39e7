"""Small pictures of the test images on which classifiers differ, kept beside the results.

Legend: K pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.io import ImageReadMode, read_image

from instdisc.data import ImageSource, image_names
from instdisc.metrics.mistakes import disagreements
from instdisc.predictions import read_predictions, save_predictions
from instdisc.types import About, Record
from instdisc.writing import write_atomically

from ..thumbnails import encode_picture, spread_order
from .plan import Job
from .registry import TASKS

_LONGEST = 112  # pixels
_LONGEST_VIEWS = 900
_NUM_SPREAD = 64  # for comparisons with the predictions of another results file
_NUM_EACH = 6  # of a pair of methods: right by the first, wrong by the second
_MOST = 200
_CLASSES = ("image", "label", "prediction")


def keep_pictures(
    jobs: Sequence[Job], ran: Sequence[Job], stored: Mapping[str, list[Record]], folder: Path
) -> None:
    """Keeps pictures of each set on which a suite predicted classes, see `keep_thumbnails`.

    Args:
        jobs: of the suite.
        ran: those that were run now; a set on which none was has its pictures already.
        stored: all records of the results file, by job.
        folder: of the results file.
    """
    records = [record for of_job in stored.values() for record in of_job]
    tasks = ((job, TASKS[job.task]) for job in jobs)
    sets = {
        job.data.fingerprint("images", "test").digest: job.data
        for job, task in tasks
        if task.kind == "images" and task.parts == ("train", "test") and not task.writes_arrays
    }
    for about in {id(s): s.about for job in jobs for s in job.subjects}.values():
        keep_views(about, folder)
    names = {job.data.name for job in ran}
    for digest, data in sets.items():
        if data.name in names or not _path(folder, digest).is_file():
            keep_thumbnails(data.images("images", "test"), digest, records, folder)


def keep_thumbnails(
    images: ImageSource, digest: str, records: Iterable[Record], folder: Path
) -> Path | None:
    """Keeps pictures of some test images in ``pictures/DIGEST.npz``, where the records find them.

    These are the images of `choose_names`. What the file holds already is kept.

    Args:
        images: the test set.
        digest: of its fingerprint; the records on this set are found by it.
        records: of the results file.
        folder: of the results file.

    Returns:
        The file, or ``None`` where no classification of these images was kept. It holds ``image``,
        the K names; ``picture``, WebP files one after the other, and ``picture_ends``; and
        ``classes``, the names of the classes.
    """
    predictions = _classifications(digest, records, folder)
    if not predictions:
        return None
    path = _path(folder, digest)
    kept = _stored(path)
    rows = {name: row for row, name in enumerate(image_names(images))}
    wanted = [n for n in choose_names(predictions, list(rows)) if n in rows and n not in kept]
    for name in wanted:
        try:
            kept[name] = encode_picture(images.read(rows[name]), _LONGEST)
        except (OSError, ValueError):  # an unreadable image has no picture
            continue
    if wanted or not path.is_file():
        columns: dict[str, Any] = {"image": list(kept), "picture": list(kept.values())}
        save_predictions(path, {**columns, "classes": list(images.classes)})
    return path


def keep_views(about: About, folder: Path) -> Path | None:
    """Keeps the picture of the views that a pretraining left, in ``pictures/views-WEIGHTS.webp``.

    It is ``views.png`` of `ViewPictures`, beside the checkpoint or its folder ``checkpoints``.

    Args:
        about: of a backbone.
        folder: of the results file.

    Returns:
        The file, or ``None`` where the pretraining left no such picture.
    """
    if not about.checkpoint or not about.weights:
        return None
    beside = Path(about.checkpoint).resolve().parent
    run = beside.parent if beside.name == "checkpoints" else beside
    path = folder / "pictures" / f"views-{about.weights}.webp"
    if not (run / "views.png").is_file():
        return None
    picture = read_image(str(run / "views.png"), ImageReadMode.RGB)
    return write_atomically(
        path, lambda file: file.write_bytes(encode_picture(picture, _LONGEST_VIEWS).tobytes())
    )


def choose_names(
    predictions: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]], names: list[str]
) -> list[str]:
    """The images to keep: where two methods differ, the surest mistakes first, and some others.

    Args:
        predictions: by task and method; of each what the task keeps: ``image``, ``label``,
            ``prediction`` and ``confidence``.
        names: of all test images.

    Returns:
        At most 200 names and 64 more that depend on the names alone.
    """
    queues: list[list[str]] = []
    for methods in predictions.values():
        for a, b in combinations(methods.values(), 2):
            try:
                both = disagreements(a, b)
            except ValueError:  # of other images, as of a set that has changed
                continue
            queues += [both.only_a[:_NUM_EACH], both.only_b[:_NUM_EACH]]
    ranked = [queue[rank] for rank in range(_NUM_EACH) for queue in queues if rank < len(queue)]
    spread = [names[position] for position in spread_order(names)[:_NUM_SPREAD]]
    return list(dict.fromkeys([*list(dict.fromkeys(ranked))[:_MOST], *spread]))


def _classifications(
    digest: str, records: Iterable[Record], folder: Path
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """By task and job, what was predicted for the classes of this test set."""
    jobs = {
        record.job: record.task
        for record in records
        if record.job and record.settings.get("data", [""])[-1] == digest
    }
    predictions: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for job, task in jobs.items():
        path = folder / "predictions" / f"{job}.npz"
        arrays = read_predictions(path) if path.is_file() else {}
        if all(name in arrays for name in _CLASSES):
            predictions.setdefault(task, {})[job] = arrays
    return predictions


def _path(folder: Path, digest: str) -> Path:
    return folder / "pictures" / f"{digest}.npz"


def _stored(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        return {}
    arrays = read_predictions(path)
    pieces = np.split(arrays["picture"], arrays["picture_ends"][:-1].astype(int))
    return dict(zip(arrays["image"].tolist(), pieces, strict=True))
