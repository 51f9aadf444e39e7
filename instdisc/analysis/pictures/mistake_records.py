"""Classifiers compared by their mistakes, from what they predicted.

Legend: K checkpoints, N images tested on, U images shown in all, E shown of a kind, C classes,
S side of a thumbnail.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, ViewPolicy, image_names
from instdisc.metrics import accuracy, bootstrap_difference, wilson_interval
from instdisc.metrics.mistakes import (
    Predictions,
    check_rows,
    confident_errors,
    disagreements,
    matched_rows,
)
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.transfer.provenance import checked
from instdisc.types import About, Record

from .subjects import about_pair, thumbnail_side, thumbnails


@checked_call(thumbnail=thumbnail_side)
def compare_predictions(
    predictions: Mapping[str, Predictions],
    test: ImageSource,
    *,
    num_errors: int = 8,
    thumbnail: int = 64,
    seed: int = 0,
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """Where each classifier errs most surely, and which images one has right and another wrong.

    Args:
        predictions: by the classifier's name, what it predicted of the same images: see
            `confident_errors`.
        test: the images, whose names the predictions hold.
        num_errors: E.
        thumbnail: S in pixels; 0: the figure shows names instead of pictures.
        seed: of the intervals.
        about: what the records say besides the classifiers' names and the test set.
        arrays: a ``.npz`` file for ``checkpoint (K,)``, ``image (U,)`` and ``class (C,)`` texts,
            ``label (U,)``, ``prediction (K, U)``, ``confidence (K, U)``,
            ``thumbnail (U, S, S, 3)``, ``error (K, E)`` rows of U, ``only (K, K, E)`` rows of the
            images that the first has right and the second wrong (-1: there are no more),
            ``count (K, K)`` how many these are, ``p_value (K, K)`` and ``top (K,)`` in percent;
            ``None``: none.

    Returns:
        Of each classifier top-1 with Wilson's interval. Of each pair the difference of the top-1,
        first minus second, with a paired bootstrap interval, and the exact p value of McNemar's
        test: the lower, the surer that they differ.

    Raises:
        TypeError: if `num_errors` or `thumbnail` is no whole number.
        ValueError: see `confident_errors` and `disagreements`; if there is no classifier, or an
            image is not of the test set.

    Source:
        McNemar (1947); see `mcnemar_p_value`.

    Example:
        >>> from instdisc.data import Scenes
        >>> a = {"image": np.array(["0", "1"]), "label": np.array([0, 1]),
        ...     "prediction": np.array([0, 0]), "confidence": np.array([0.9, 0.8])}
        >>> b = {**a, "prediction": np.array([1, 1])}
        >>> records = compare_predictions({"a": a, "b": b}, Scenes(4, image_size=32))
        >>> [(record.method, record.metric) for record in records]
        [('a', 'top-1'), ('b', 'top-1'), ('a and b', 'top-1 difference'), ('a and b', 'McNemar p')]
    """
    if not predictions:
        checks.refuse("predictions", "of at least one classifier", dict(predictions))
    for name, content in predictions.items():
        check_rows(f"predictions[{name!r}]", content)
    whose = About(dataset=test.name).update(checked(about))
    runs = {name: Run(whose._replace(method=name), seed) for name in predictions}
    return mistake_records(
        runs,
        predictions,
        test,
        num_errors=num_errors,
        thumbnail=thumbnail,
        about=about,
        arrays=arrays,
    )


def mistake_records(
    runs: Mapping[str, Run],
    predictions: Mapping[str, Predictions],
    test: ImageSource,
    *,
    num_errors: int,
    thumbnail: int,
    about: About | None,
    arrays: str | Path | None,
    policy: ViewPolicy | None = None,
) -> list[Record]:
    """`compare_predictions`, with what is known of the run that made the predictions of each.

    Args:
        runs: by the classifier's name.
        predictions: likewise.
        test: see `compare_predictions`.
        num_errors: E.
        thumbnail: S.
        about: of the records of pairs.
        arrays: a ``.npz`` file, or ``None``.
        policy: how the thumbnails show the images; ``None``: the square in the middle.
    """
    checks.whole("num_errors", num_errors)
    places = image_places(predictions, test)
    names = list(predictions)
    records = [top_record("mistakes", runs[name], predictions[name]) for name in names]
    for first, second in itertools.combinations(names, 2):
        run = runs[first]._replace(about=about_pair((first, second), test, about))
        records += _pair_records(run, predictions[first], predictions[second])
    if arrays is None:
        return records
    count = len(names)
    top = np.array([100 * _right(content).mean() for content in predictions.values()])
    error = np.full((count, num_errors), "", dtype=object)
    only = np.full((count, count, num_errors), "", dtype=object)
    counts, p_values = np.zeros((count, count), np.int64), np.ones((count, count))
    for i, content in enumerate(predictions.values()):
        chosen = np.asarray(content["image"])[confident_errors(content, num_errors=num_errors)]
        error[i, : len(chosen)] = chosen
        for j, other in enumerate(predictions.values()):
            if i != j:
                both = disagreements(content, other)
                shown = both.only_a[:num_errors]
                only[i, j, : len(shown)] = shown
                counts[i, j], p_values[i, j] = len(both.only_a), both.p_value
    union = sorted({*error.flat, *only.flat} - {""}, key=lambda image: places[image])
    row = {image: place for place, image in enumerate(union)} | {"": -1}
    positions = torch.tensor([places[image] for image in union], dtype=torch.int64)
    rows = [_rows_of(content, union) for content in predictions.values()]
    save_predictions(
        arrays,
        {
            "checkpoint": names,
            "image": np.array(union, dtype=str),
            "class": np.array([str(name) for name in test.classes], dtype=str),
            "label": predictions[names[0]]["label"][rows[0]],
            "prediction": _stacked("prediction", predictions, rows),
            "confidence": _stacked("confidence", predictions, rows),
            "thumbnail": thumbnails(test, positions, thumbnail, policy),
            "error": _places(error, row),
            "only": _places(only, row),
            "count": counts,
            "p_value": p_values,
            "top": top,
        },
    )
    return records


def image_places(predictions: Mapping[str, Predictions], test: ImageSource) -> dict[str, int]:
    """Where the images that predictions are of stand in the test set.

    Raises:
        ValueError: if one is not there; names it.
    """
    places: dict[str, int] = {}
    for position, image in enumerate(image_names(test)):
        places.setdefault(image, position)
    for name, content in predictions.items():
        for image in np.asarray(content["image"]).tolist():
            if str(image) not in places:
                checks.refuse(
                    "predictions",
                    f"of images of {test.name!r}",
                    str(image),
                    f"{name!r} was tested on another set.",
                )
    return places


def top_record(task: str, run: Run, predictions: Predictions) -> Record:
    """The share of right answers in percent, with Wilson's interval."""
    right = _right(predictions)
    low, high = wilson_interval(int(right.sum()), len(right))
    return run.record(
        task,
        "top-1",
        100 * float(right.mean()),
        ends=(100 * low, 100 * high),
        interval=f"Wilson, {len(right)} images",
        n=len(right),
    )


def _right(predictions: Predictions) -> np.ndarray:
    return np.asarray(predictions["prediction"] == predictions["label"])


def _pair_records(run: Run, a: Predictions, b: Predictions) -> list[Record]:
    rows = matched_rows(a, b)
    both = disagreements(a, b)
    labels = torch.from_numpy(np.asarray(a["label"]))
    guesses = [
        torch.from_numpy(np.asarray(guess)) for guess in (a["prediction"], b["prediction"][rows])
    ]
    first, second = (100 * float(accuracy(guess, labels)) for guess in guesses)
    ends = bootstrap_difference(
        lambda guessed, true: 100 * accuracy(guessed, true),
        [guesses[0], labels],
        [guesses[1], labels],
        seed=run.seed,
    )
    counts = {
        "only_first_right": len(both.only_a),
        "only_second_right": len(both.only_b),
        "both_right": both.both_right,
        "both_wrong": both.both_wrong,
    }
    run = run._replace(settings={**run.settings, **counts})
    return [
        run.record(
            "mistakes",
            "top-1 difference",
            first - second,
            ends=ends,
            interval=f"paired bootstrap, {len(labels)} images",
            n=len(labels),
        ),
        run.record(
            "mistakes",
            "McNemar p",
            both.p_value,
            n=len(both.only_a) + len(both.only_b),
            unit="",
            higher_is_better=False,
        ),
    ]


def _rows_of(predictions: Predictions, union: list[str]) -> np.ndarray:
    rows = {str(image): row for row, image in enumerate(predictions["image"])}
    return np.array([rows[image] for image in union], dtype=np.int64)


def _stacked(
    column: str, predictions: Mapping[str, Predictions], rows: list[np.ndarray]
) -> np.ndarray:
    """``(K, U)`` of a column."""
    return np.stack(
        [
            content[column][chosen]
            for content, chosen in zip(predictions.values(), rows, strict=True)
        ]
    )


def _places(images: np.ndarray, row: Mapping[str, int]) -> np.ndarray:
    return np.vectorize(lambda image: row[image], otypes=[np.int64])(images)
