"""The tables of results: every task of the study that there are records of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from .material import Study
from .tables import method_table
from .values import Column, Values
from .words import counted

_SHOTS = re.compile(r"(\d+)-way (\d+)-shot (.+)")
_STAGE = re.compile(r"stage(\d+)_(.+)")
_PER_CLASS = ","  # "box AP, cat" is of one class
_Group = tuple[str, list[Column]]  # words above a table, and its columns
_Section = tuple[str, str, list[_Group]]


def result_sections(study: Study, values: Values) -> dict[str, list[str]]:
    """By its title what each section is of and its tables; what has no records is left out.

    Args:
        study: for the order of methods and sets.
        values: of its records.
    """
    sections = {}
    for make in _SECTIONS:
        title, words, groups = make(study, values)
        texts = [words]
        for name, columns in groups:
            table = method_table(study, values, columns, bold=title not in _NO_RANKING)
            if table:
                texts += [f"{name}:", table] if name else [table]
        if len(texts) > 1:
            sections[title] = texts
    return sections


def mean_column(study: Study, values: Values, task: str, metric: str) -> Column | None:
    """The mean over the targets of `transfer` that there are records of; ``None`` below two.

    Args:
        study: for the targets.
        values: of its records.
        task: as in the records.
        metric: likewise.
    """
    sets = [name for name in study.sets("transfer") if name in values.sets(task, metric)]
    title = f"mean of {len(sets)} targets"
    return Column(title, task, metric, tuple(sets)) if len(sets) > 1 else None


def _on_sets(study: Study, values: Values, task: str, metric: str) -> list[Column]:
    """The source, each target, and the mean over targets."""
    columns = values.columns(task, metric, [study.source, *study.sets("transfer")])
    mean = mean_column(study, values, task, metric)
    return [*columns, mean] if mean else columns


def _source_and_transfer(study: Study, values: Values) -> _Section:
    task, metric = study.transfer
    return (
        "Source and transfer",
        f"{metric.capitalize()} of {task.replace('_', ' ')}. {study.source} is the source, the "
        "other sets are targets.",
        [("", _on_sets(study, values, task, metric))],
    )


def _neighbours(study: Study, values: Values) -> _Section:
    words = "Top-1 of the nearest neighbours among frozen features."
    return "kNN", words, [("", _on_sets(study, values, "knn", "top-1"))]


def _few_shot(study: Study, values: Values) -> _Section:
    metrics: dict[tuple[int, str], list[tuple[int, str]]] = {}
    for task, metric in values.quantities():
        match = _SHOTS.fullmatch(metric)
        if task == "few_shot" and match:
            ways, shots, classifier = match.groups()
            metrics.setdefault((int(shots), classifier), []).append((int(ways), metric))
    groups = []
    for (shots, classifier), named in sorted(metrics.items()):
        columns = [
            column._replace(title=f"{column.title}, {ways}-way")
            for ways, metric in sorted(named, reverse=True)
            for column in values.columns("few_shot", metric, study.sets("transfer"))
        ]
        groups.append((f"{counted(shots, 'shot')}, {classifier}", columns))
    return "Few-shot", "Mean accuracy of episodes on frozen features.", groups


def _stages(study: Study, values: Values) -> _Section:
    groups = []
    for probe in ("readout", "knn"):
        tasks = _stage_tasks(values, probe, "top-1")
        source = [Column(f"stage {stage}", task, "top-1", (study.source,)) for stage, task in tasks]
        means = [
            column._replace(title=f"stage {stage}, {column.title}")
            for stage, task in tasks
            if (column := mean_column(study, values, task, "top-1")) is not None
        ]
        groups += [(f"{probe} on {study.source}", source), (f"{probe} on targets", means)]
    words = "Top-1 of a probe on the features of each stage, shallow to deep."
    return "Probes of stages", words, groups


def _factors(study: Study, values: Values) -> _Section:
    stages = _all_stages(values, "factors")
    stage, last = stages[-1] if stages else (0, "")
    columns = [
        column._replace(title=metric)
        for task, metric in values.quantities()
        if task == last
        for column in values.columns(task, metric)
    ]
    words = (
        "What a ridge regression reads out of features about scenes of which everything is told: "
        f"R2 of a number, accuracy of a class; of the last stage, {stage}."
    )
    return "Factors", words, _parts(columns)


def _geometry(study: Study, values: Values) -> _Section:
    stages = [stage for stage, _ in _all_stages(values, "geometry")]
    task = f"stage{max(stages, default=4)}_geometry"
    columns = _all_metrics(study, values, task)
    return "Geometry", f"Of the last stage, on {study.source}.", _parts(columns)


def _predictors(study: Study, values: Values) -> _Section:
    task = "transferability"
    groups = [
        (metric, _on_sets(study, values, task, metric))
        for name, metric in values.quantities()
        if name == task
    ]
    return "Cheap predictors", "Numbers that need no training on the target.", groups


def _layers(study: Study, values: Values) -> _Section:
    tasks = dict.fromkeys(task for task, _ in values.quantities())
    alike = [
        column._replace(title=f"{task.removesuffix('_similarity')}, {column.title}")
        for task in tasks
        if task.endswith("_similarity")
        for column in values.columns(task, "CKA with the layer before", [study.source])
    ]
    moved = [
        column._replace(title=f"{task.replace('_', ' ')}, {column.title}")
        for task in tasks
        if task.endswith("_moved")
        for column in values.columns(task, "CKA")
    ]
    words = (
        "CKA of a layer with the layer before it; then, of layers before and after fine-tuning: 1 "
        "is a layer that has not moved."
    )
    return "Likeness of layers", words, [("", alike), *_parts(moved)]


def _inversion(study: Study, values: Values) -> _Section:
    tasks = {task for _, task in _all_stages(values, "inversion")}
    columns = [
        column._replace(title=f"{task.replace('_inversion', '')}: {metric}, {column.title}")
        for task, metric in values.quantities()
        if task in tasks
        for column in values.columns(task, metric)
    ]
    return "Inversion", "How well an image is reconstructed from its features.", _parts(columns)


def _finetuning(study: Study, values: Values) -> _Section:
    columns = values.columns("finetune", "top-1", study.sets("finetuned"))
    return "Fine-tuning", "Top-1 after all weights were trained on the target.", [("", columns)]


def _dense(study: Study, values: Values) -> _Section:
    columns = [
        column._replace(title=f"{metric}, {column.title}")
        for task, metric in values.quantities()
        if task in ("detection", "segmentation", "landmarks") and _PER_CLASS not in metric
        for column in values.columns(task, metric)
    ]
    words = "Detection, segmentation and landmarks, fine-tuned."
    return "Dense tasks", words, _parts(columns)


def _errors(study: Study, values: Values) -> _Section:
    columns = [
        column._replace(title=f"{metric}, {column.title}")
        for task, metric in values.quantities()
        if task == "hoiem" and "gain" not in metric
        for column in values.columns(task, metric, study.sets("localisation"))
    ]
    words = (
        "Of the best detections of each class: right (Cor), badly placed (Loc), of a similar class "
        "(Sim), of another (Oth), on the background (BG)."
    )
    return "Errors of the detectors", words, _parts(columns)


_SECTIONS: tuple[Callable[[Study, Values], _Section], ...] = (
    *(_source_and_transfer, _neighbours, _few_shot, _finetuning, _dense, _errors),
    *(_stages, _factors, _geometry, _predictors, _layers, _inversion),
)
_NO_RANKING = ("Geometry", "Likeness of layers")  # more is not better
_MOST_COLUMNS = 8  # of a table


def _parts(columns: Sequence[Column]) -> list[_Group]:
    """Columns for several tables, where they are too many for one."""
    starts = range(0, len(columns), _MOST_COLUMNS)
    return [("", list(columns[at : at + _MOST_COLUMNS])) for at in starts]


def _all_metrics(study: Study, values: Values, task: str) -> list[Column]:
    return [
        column._replace(title=metric)
        for quantity, metric in values.quantities()
        if quantity == task
        for column in values.columns(task, metric)
        if column.sets == (study.source,)
    ]


def _all_stages(values: Values, kind: str) -> list[tuple[int, str]]:
    """(stage, task) of all tasks of a kind, shallow to deep."""
    return _of_kind((task for task, _ in values.quantities()), kind)


def _stage_tasks(values: Values, kind: str, metric: str) -> list[tuple[int, str]]:
    return _of_kind((task for task, name in values.quantities() if name == metric), kind)


def _of_kind(tasks: Iterable[str], kind: str) -> list[tuple[int, str]]:
    matches = [_STAGE.fullmatch(task) for task in dict.fromkeys(tasks)]
    there = [(int(m.group(1)), m.group(0)) for m in matches if m and m.group(2) == kind]
    return sorted(there)
