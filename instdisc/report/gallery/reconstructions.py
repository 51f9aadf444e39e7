"""Images made from features, of several methods beside the original.

Legend: S stages, N images, H x W their size.
"""

from __future__ import annotations

from ..material import Material
from .drawing import as_file, side_by_side
from .gallery import Gallery, Picture
from .jobs import Job, read_jobs

_COLUMNS = ("image", "stages", "originals", "reconstructions")
_MOST_METHODS = 6
_SIDE = 160  # pixels


def reconstruction_galleries(material: Material) -> list[Gallery]:
    """A gallery for each data set; every picture is of one image, with a row for each stage."""
    sets: dict[tuple[str, str], list[Job]] = {}
    for job in read_jobs(material, _COLUMNS):
        # Methods side by side only where all reconstruct the same images.
        images = " ".join(map(str, job.arrays["image"].tolist()))
        if job.arrays["originals"].size:  # (N, H, W, 3); nothing where pictures were not wanted
            sets.setdefault((job.record.dataset, images), []).append(job)
    return [_gallery(jobs[:_MOST_METHODS]) for jobs in sets.values()]


def _gallery(jobs: list[Job]) -> Gallery:
    dataset, first = jobs[0].record.dataset, jobs[0].arrays
    pictures = []
    for place, name in enumerate(map(str, first["image"].tolist())):
        cells: list[bytes | None] = []
        words: list[str] = []
        for stage in first["stages"].tolist():
            cells.append(as_file(first["originals"][place], _SIDE))
            words.append(f"original, stage {stage}:")
            for job in jobs:
                stages = job.arrays["stages"].tolist()
                pixels = job.arrays["reconstructions"]  # (S, N, H, W, 3)
                cells.append(
                    as_file(pixels[stages.index(stage), place], _SIDE) if stage in stages else None
                )
                words.append(job.method)
        alternative = (
            f"Image {name} of {dataset}, and what is made from its features at stage "
            f"{', '.join(map(str, first['stages'].tolist()))} by "
            f"{', '.join(job.method for job in jobs)}."
        )
        image = side_by_side(cells, words, len(jobs) + 1)
        pictures.append(Picture(name, alternative, image, "image/webp"))
    caption = (
        "Each picture shows one image, then images that were made from nothing but its features: "
        "what they lack, the features of that stage do not hold."
    )
    return Gallery(f"{dataset}: reconstructions", caption, pictures)
