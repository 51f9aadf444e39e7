"""Test images that are right with A and wrong with B, and the reverse."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from instdisc.metrics import disagreements
from instdisc.metrics.mistakes import Disagreements

from ..material import Material
from .gallery import Gallery, Picture
from .jobs import Job, Thumbnails, read_jobs, read_thumbnails

_NUM_IMAGES = 6
_MOST_PAIRS = 6  # of all sets together
_COLUMNS = ("image", "label", "prediction")


def disagreement_galleries(material: Material) -> list[Gallery]:
    """Two galleries for a pair of methods: only A is right, only B is right.

    Of each test set the task with the best mean accuracy is shown, and those pairs of trained
    methods that differ on most images; random weights only beside a single trained method.
    """
    sets: dict[tuple[str, str], dict[str, list[Job]]] = {}
    for job in read_jobs(material, _COLUMNS):
        tasks = sets.setdefault((job.record.dataset, job.digest), {})
        tasks.setdefault(job.record.task, []).append(job)
    num_pairs = max(1, min(3, _MOST_PAIRS // max(1, len(sets))))
    galleries = []
    for (_, digest), tasks in sets.items():
        thumbnails = read_thumbnails(material.folders, digest)
        most = max(len(jobs) for jobs in tasks.values())
        if most < 2 or not thumbnails.files:
            continue
        jobs = max((j for j in tasks.values() if len(j) == most), key=_mean_accuracy)
        for a, b, both in _pairs(jobs)[:num_pairs]:
            galleries += [
                _gallery(a, b, both.only_a, both.both_right, thumbnails),
                _gallery(b, a, both.only_b, both.both_right, thumbnails),
            ]
    return [gallery for gallery in galleries if gallery.pictures]


def _pairs(jobs: Sequence[Job]) -> list[tuple[Job, Job, Disagreements]]:
    """Those that differ on most images first."""
    pairs = []
    trained = [job for job in jobs if not job.is_random]
    for a, b in combinations(trained if len(trained) > 1 else jobs, 2):
        try:
            pairs.append((a, b, disagreements(a.arrays, b.arrays)))
        except ValueError:  # tested on other images
            continue
    pairs.sort(key=lambda pair: -len(pair[2].only_a) - len(pair[2].only_b))
    return pairs


def _mean_accuracy(jobs: Sequence[Job]) -> float:
    return float(np.mean([(j.arrays["label"] == j.arrays["prediction"]).mean() for j in jobs]))


def _gallery(
    right: Job, wrong: Job, names: list[str], both_right: int, thumbnails: Thumbnails
) -> Gallery:
    shown = [name for name in names if name in thumbnails.files][:_NUM_IMAGES]
    record, count = right.record, len(right.arrays["label"])
    caption = (
        f"{len(names):,} of {count:,} test images of {record.dataset} are right with "
        f"{right.method} and wrong with {wrong.method} ({record.task}); {both_right:,} are right "
        f"with both. Shown are those of which {wrong.method} is most confident."
    )
    rows = [{str(n): r for r, n in enumerate(job.arrays["image"])} for job in (right, wrong)]
    pictures = []
    for name in shown:
        label = int(right.arrays["label"][rows[0][name]])
        true = thumbnails.class_name(label)
        said = [
            _prediction(job, of[name], thumbnails)
            for job, of in zip((right, wrong), rows, strict=True)
        ]
        pictures.append(
            Picture(
                f"{true}; {wrong.method}: {said[1]}",
                f"Test image {name} of {record.dataset}, class {true}. {right.method} predicts "
                f"{said[0]}, which is right. {wrong.method} predicts {said[1]}, which is wrong.",
                thumbnails.files[name],
                "image/webp",
            )
        )
    title = f"{record.dataset}: right with {right.method}, wrong with {wrong.method}"
    return Gallery(title, caption, pictures)


def _prediction(job: Job, row: int, thumbnails: Thumbnails) -> str:
    """E.g. ``"tabby (71 %)"``."""
    name = thumbnails.class_name(int(job.arrays["prediction"][row]))
    confidences = job.arrays.get("confidence")
    if confidences is None or not np.isfinite(confidences[row]):
        return name
    return f"{name} ({100 * float(confidences[row]):.0f} %)"
