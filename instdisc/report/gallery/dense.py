"""Detections, masks and points of several methods on the same test images."""

from __future__ import annotations

from ..material import Material
from .drawing import color_key, side_by_side
from .gallery import Gallery, Picture
from .jobs import Job, read_jobs, stored_files

_COLUMNS = ("shown", "shown_truth", "shown_prediction", "shown_key")
_IN_A_ROW = 4
_MOST_METHODS = 11  # beside the truth: three rows
_MOST_COLORS = 32
_TITLES = {
    "detection": "detections",
    "segmentation": "predicted classes of pixels",
    "landmarks": "predicted landmarks",
}


def dense_galleries(material: Material) -> list[Gallery]:
    """A gallery for each test set of detection, segmentation and landmarks.

    Every picture is of one image: what is annotated, then what each method predicts.
    """
    sets: dict[tuple[str, str, str], list[Job]] = {}
    for job in read_jobs(material, _COLUMNS):
        key = (job.record.dataset, job.digest, job.record.task)
        sets.setdefault(key, []).append(job)
    return [
        _gallery(jobs[:_MOST_METHODS]) for jobs in sets.values() if jobs[0].arrays["shown"].size
    ]


def _gallery(jobs: list[Job]) -> Gallery:
    record = jobs[0].record
    annotated = _shown(jobs[0], "truth")
    predicted = {job.method: _shown(job, "prediction") for job in jobs}
    titles = ["annotated", *predicted]
    pictures = [_key(jobs)]
    for name, (truth, words) in annotated.items():
        texts = [f"{method}: {of[name][1]}." for method, of in predicted.items() if name in of]
        facts = [f"Test image {name} of {record.dataset}.", f"Annotated: {words}.", *texts]
        cells = [truth, *(of[name][0] if name in of else None for of in predicted.values())]
        image = side_by_side(cells, titles, _IN_A_ROW)
        pictures.append(Picture(name, " ".join(facts), image, "image/webp"))
    title = f"{record.dataset}: {_TITLES.get(record.task, record.task)} on the same images"
    caption = (
        "Each picture shows one test image: first what is annotated, then what each method "
        "predicts. The images are chosen by a hash of their names, not by the result."
    )
    return Gallery(title, caption, pictures)


def _shown(job: Job, what: str) -> dict[str, tuple[bytes, str]]:
    """Picture and words by the name of the image."""
    names = [str(name) for name in job.arrays["shown"].tolist()]
    files = stored_files(job.arrays, f"shown_{what}")
    words = [str(text) for text in job.arrays[f"shown_{what}_words"].tolist()]
    return dict(zip(names, zip(files, words, strict=True), strict=True))


def _key(jobs: list[Job]) -> Picture:
    colors: dict[str, list[int]] = {}
    for job in jobs:
        colors.update(
            zip(job.arrays["shown_key"].tolist(), job.arrays["shown_colors"].tolist(), strict=True)
        )
    texts = list(colors)[:_MOST_COLORS]
    image = color_key(texts, [colors[text] for text in texts])
    return Picture("Colours", f"Colours of: {', '.join(texts)}.", image, "image/webp")
