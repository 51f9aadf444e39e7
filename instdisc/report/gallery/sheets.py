"""Pictures that analyses drew: neighbours, mistakes, maps and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from instdisc.types import Record

from ..material import Material
from .drawing import smaller
from .gallery import Gallery, Picture

Sheets = Mapping[str, tuple[str, str]]
_SIZE = (1100, 1800)  # pixels
_NUM_FACTS = 8
# Figures of analyses that a report draws anew as charts, or makes from the arrays.
_DRAWN_ANEW = (
    *("cka", "similarity", "factors", "object_factors", "landmark_factors", "predictors"),
    *("tide", "hoiem", "reliability", "inversion"),
)
# The names of the figures of `analyse`; what each shows.
NEIGHBOURS = {
    "neighbours": (
        "Nearest neighbours",
        "Test images, and the test images whose features are most similar with each method.",
    ),
}
OTHERS = {
    "mistakes": (
        "Mistakes of linear classifiers",
        "Test images that are right with one method and wrong with another, or wrong with all.",
    ),
    "confident_errors": (
        "Most confident mistakes",
        "Test images on which a classifier is wrong and most confident.",
    ),
    "detection_errors": (
        "Detection errors",
        "The most confident detections of each type of error.",
    ),
    "location": (
        "Similarity to one place",
        "How similar the features of all places of an image are to those at the cross.",
    ),
    "components": (
        "Principal components of feature maps",
        "The first three principal components of the features at each place, as colours.",
    ),
    "map": ("Maps of the features", "Test images, laid out so that similar features are close."),
}


def sheet_galleries(material: Material, sheets: Sheets) -> list[Gallery]:
    """A gallery for each kind of picture of an analysis, with a picture for each data set.

    Args:
        material: of the report.
        sheets: titles and captions, by the names of the figures.
    """
    files: dict[str, list[tuple[str, Path]]] = {}
    for path in material.pictures():
        dataset, kind = _split(path.stem, sheets)
        if kind:
            files.setdefault(kind, []).append((dataset, path))
    galleries = []
    for kind, (title, caption) in sheets.items():
        pictures = [
            Picture(
                dataset,
                " ".join([f"{title} on {dataset}.", *_facts(material.records, kind, dataset)]),
                smaller(path, _SIZE),
                "image/webp",
            )
            for dataset, path in files.get(kind, [])
        ]
        if pictures:
            galleries.append(Gallery(title, caption, pictures))
    return galleries


def other_galleries(material: Material) -> list[Gallery]:
    """What else lies in ``figures``: curves of analyses, and what users' analyses drew."""
    shown = {**NEIGHBOURS, **OTHERS, **dict.fromkeys(_DRAWN_ANEW, ("", ""))}
    paths = [path for path in material.pictures() if not _split(path.stem, shown)[1]]
    pictures = [
        Picture(
            path.stem.replace("_", " "),
            f"The figure {path.name} of an analysis; the tables hold its numbers.",
            smaller(path, _SIZE),
            "image/webp",
        )
        for path in paths
        if path.stem not in _DRAWN_ANEW
    ]
    caption = "Figures that analyses saved, by data set and name."
    return [Gallery("Other figures of analyses", caption, pictures)] if pictures else []


def _split(stem: str, sheets: Sheets) -> tuple[str, str]:
    """Data set and kind of ``DATASET_KIND``, which may have a hash behind it."""
    match = re.fullmatch(rf"(.+)_({'|'.join(sheets)})(_[0-9a-f]{{8}})?", stem)
    return (match[1], match[2]) if match else ("", "")


def _facts(records: Sequence[Record], kind: str, dataset: str) -> list[str]:
    """What was measured with the pictures, in words."""
    facts: dict[str, list[str]] = {}
    for record in records:
        # As `analyse` makes a data set's name that of a file.
        same = re.sub(r"[^\w.-]+", "_", record.dataset) == dataset
        if same and re.fullmatch(rf"(stage\d+_)?{kind}", record.task):
            stage = record.task.removesuffix(kind).rstrip("_")
            what = f"{record.metric} at {stage}" if stage else record.metric
            value = f"{record.method} {record.value:.3g}{record.unit and ' ' + record.unit}"
            facts.setdefault(what, []).append(value)
    return [f"{what}: {', '.join(values)}." for what, values in list(facts.items())[:_NUM_FACTS]]
