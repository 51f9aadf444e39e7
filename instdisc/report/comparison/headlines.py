"""Which metric of a task counts in ranks, wins and gains: one for each task and data set.

A task writes up to twenty numbers about the same predictions. If all counted, a task with twenty
metrics would decide alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..pooling import Result

# Of each task the first of these that a data set has.
HEADLINES: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(
        ("knn", "linear", "linear_grid", "moco_linear", "readout", "finetune"), ("top-1",)
    ),
    "detection": ("box AP", "VOC07 AP50", "VOC10 AP50"),
    "segmentation": ("mIoU",),
    "landmarks": ("NME",),
}
_EPISODES = ("few_shot", "few_shot_finetune")
_SHOTS = re.compile(r"\d+-way (\d+)-shot ")
_USUAL_SHOTS = 5
# They look inside a backbone or at its errors; which way is better there is no verdict.
_ANALYSES = {
    *("factors", "geometry", "invariance", "similarity", "transferability", "predictors"),
    *("inversion", "components", "location", "moved", "finetune", "knn", "readout", "neighbours"),
    *("map", "confident_errors", "mistakes", "tide", "hoiem", "calibration", "corruptions"),
    *("imagenet_c", "out_of_distribution", "distribution_shift", "shape_bias"),
}
_OF_A_STAGE = re.compile(r"(?:stage\d+|layer\d+|last\d+(?:_\w+)?)_(\w+)$")


def choose_headlines(results: Sequence[Result]) -> list[Result]:
    """The results of the headline metric of each task and data set.

    - Classification (kNN, linear, read-out, fine-tuning): top-1. Few-shot: five shots, else the
      number next to it. Detection: box AP, else the AP50 of VOC. Segmentation: mIoU. Landmarks:
      NME.
    - A task of your own: the first metric that it wrote.
    - Analyses, and accuracy by stage, have none.

    Settings that differ (`Result.variant`) are results of their own, with the same metric.

    Args:
        results: in the order in which the tasks wrote them.

    Example:
        >>> results = [Result("knn", "top-1", "pets", "%", "", True),
        ...     Result("readout", "ECE", "pets", "%", "", False),
        ...     Result("readout", "top-1", "pets", "%", "", True)]
        >>> [(result.task, result.metric) for result in choose_headlines(results)]
        [('knn', 'top-1'), ('readout', 'top-1')]
    """
    metrics: dict[tuple[str, str], list[str]] = {}
    for result in results:
        metrics.setdefault((result.task, result.dataset), []).append(result.metric)
    chosen = {place: _headline(place[0], written) for place, written in metrics.items()}
    return [r for r in dict.fromkeys(results) if chosen[r.task, r.dataset] == r.metric]


def has_headline(task: str) -> bool:
    """Whether results of a task are compared: it is no analysis."""
    return not (task in _ANALYSES - set(HEADLINES) or _of_stage(task))


def _headline(task: str, metrics: Sequence[str]) -> str | None:
    if not has_headline(task):
        return None
    if task in _EPISODES:
        shots = {m: int(match[1]) for m in metrics if (match := _SHOTS.match(m))}
        if not shots:
            return None
        return min(shots, key=lambda metric: (abs(shots[metric] - _USUAL_SHOTS), shots[metric]))
    if task not in HEADLINES:
        return metrics[0]
    return next((metric for metric in HEADLINES[task] if metric in metrics), None)


def _of_stage(task: str) -> bool:
    match = _OF_A_STAGE.match(task)
    return match is not None and match[1] in _ANALYSES
