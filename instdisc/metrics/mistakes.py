"""Mistakes of classifiers, from what they predicted for each image.

Legend: N images, E errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from instdisc import checks
from instdisc.checks import checked_call

Predictions = Mapping[str, np.ndarray]
_COLUMNS = ("image", "label", "prediction")


@checked_call()
class Disagreements(NamedTuple):
    """How two classifiers differ on the same images.

    Attributes:
        only_a: ``(n,)`` names of the images that the first alone has right, those first on which
            the second is surest of its mistake.
        only_b: ``(m,)`` of the second, likewise.
        both_right: how many images both have right.
        both_wrong: how many neither has.
        p_value: of McNemar's exact test.
    """

    only_a: list[str]
    only_b: list[str]
    both_right: int
    both_wrong: int
    p_value: float


@checked_call()
def confident_errors(predictions: Predictions, *, num_errors: int | None = None) -> np.ndarray:
    """Rows of the images that are classified wrongly, the surest mistake first.

    Args:
        predictions: ``image``, ``label``, ``prediction`` and ``confidence``, each ``(N,)``, as
            every classification task keeps them, see `read_predictions`.
        num_errors: at most so many; ``None`` for all.

    Returns:
        ``(E,)`` int64 rows of `predictions`; of equal confidence the earlier first.

    Raises:
        TypeError: if `num_errors` is no whole number.
        ValueError: if a column is lacking or they differ in length, or the task did not keep
            confidences.

    Example:
        >>> confident_errors({"image": np.array(["a", "b", "c"]), "label": np.array([0, 1, 1]),
        ...     "prediction": np.array([1, 1, 0]), "confidence": np.array([0.6, 0.9, 0.8])})
        array([2, 0])
    """
    check_rows("predictions", predictions, ("confidence",))
    confidences = np.asarray(predictions["confidence"], dtype=np.float64)
    if not np.isfinite(confidences).all():
        checks.refuse(
            "predictions",
            "with a finite confidence for each image",
            float(confidences[~np.isfinite(confidences)][0]),
            "The task that made them keeps none; use one that does, such as 'knn' or 'readout'.",
        )
    if num_errors is not None:
        checks.whole("num_errors", num_errors)
    wrong = np.flatnonzero(predictions["label"] != predictions["prediction"])
    order = np.argsort(-confidences[wrong], kind="stable")
    return np.asarray(wrong[order][:num_errors], dtype=np.int64)


@checked_call()
def disagreements(predictions_a: Predictions, predictions_b: Predictions) -> Disagreements:
    """The images that one of two classifiers has right and the other wrong, and how surely so.

    They are matched by the images' names; the order may differ.

    Args:
        predictions_a: of the first, see `confident_errors`; without confidences the images come
            in the order of the first.
        predictions_b: of the second, of the same images.

    Raises:
        ValueError: if a column is lacking, an image comes twice, or the two are of different
            images or disagree on the class of one; names it.

    Example:
        >>> first = {"image": np.array(["a", "b", "c"]), "label": np.array([0, 1, 1]),
        ...     "prediction": np.array([0, 1, 0])}
        >>> second = {**first, "prediction": np.array([0, 0, 1])}
        >>> disagreements(first, second)
        Disagreements(only_a=['b'], only_b=['c'], both_right=1, both_wrong=0, p_value=1.0)
    """
    second = matched_rows(predictions_a, predictions_b)
    labels = np.asarray(predictions_a["label"])
    right_a = np.asarray(predictions_a["prediction"]) == labels
    right_b = np.asarray(predictions_b["prediction"])[second] == labels
    sure_a = _confidences(predictions_a)
    sure_b = _confidences(predictions_b)[second]
    names = np.asarray(predictions_a["image"])
    ordered: list[list[str]] = []
    for rows, sure in ((right_a & ~right_b, sure_b), (right_b & ~right_a, sure_a)):
        places = np.flatnonzero(rows)
        ordered.append([str(n) for n in names[places[np.argsort(-sure[places], kind="stable")]]])
    return Disagreements(
        ordered[0],
        ordered[1],
        int((right_a & right_b).sum()),
        int((~right_a & ~right_b).sum()),
        mcnemar_p_value(len(ordered[0]), len(ordered[1])),
    )


@checked_call()
def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """Two-sided exact p value of McNemar's test: do two classifiers err equally often?

    If they did, each of the n = a + b images on which exactly one is right would be the first's
    with chance 1/2: ``p = min(1, 2 P(X <= min(a, b)))``, X binomial (n, 1/2); 1 where n = 0.

    Args:
        only_a: a, images that the first alone has right.
        only_b: b, that the second alone has right.

    Raises:
        TypeError, ValueError: if a number is no whole number of at least 0.

    Source:
        McNemar, "Note on the sampling error of the difference between correlated proportions or
        percentages" (1947), in its exact form.

    Example:
        >>> mcnemar_p_value(10, 3)
        0.09228515625
    """
    checks.whole("only_a", only_a, at_least=0)
    checks.whole("only_b", only_b, at_least=0)
    count = only_a + only_b
    from scipy.stats import binom  # a second to import

    return min(1.0, 2 * float(binom.cdf(min(only_a, only_b), count, 0.5))) if count else 1.0


def matched_rows(predictions_a: Predictions, predictions_b: Predictions) -> np.ndarray:
    """For each row of the first the row of the second that is of the same image.

    Args:
        predictions_a: see `disagreements`.
        predictions_b: likewise.

    Returns:
        ``(N,)`` int64.

    Raises:
        ValueError: see `disagreements`.
    """
    places: list[dict[str, int]] = []
    for name, predictions in (("predictions_a", predictions_a), ("predictions_b", predictions_b)):
        check_rows(name, predictions)
        rows: dict[str, int] = {}
        for row, image in enumerate(np.asarray(predictions["image"]).tolist()):
            if str(image) in rows:
                checks.refuse(name, "of each image once", image, "It comes twice.")
            rows[str(image)] = row
        places.append(rows)
    lone = [*(i for i in places[0] if i not in places[1])]
    lone += [i for i in places[1] if i not in places[0]]
    if lone:
        which = "first" if lone[0] in places[0] else "second"
        checks.refuse(
            "predictions_b",
            "of the same images as `predictions_a`",
            lone[0],
            f"Of {len(lone)} images there is one prediction only; of this the {which}'s.",
        )
    second = np.array([places[1][image] for image in places[0]], dtype=np.int64)
    labels_a, labels_b = np.asarray(predictions_a["label"]), np.asarray(predictions_b["label"])
    differing = np.flatnonzero(labels_a != labels_b[second])
    if len(differing):
        row = int(differing[0])
        checks.refuse(
            "predictions_b",
            f"of the classes of `predictions_a`, {int(labels_a[row])} for "
            f"{str(predictions_a['image'][row])!r}",
            int(labels_b[second][row]),
        )
    return second


def check_rows(name: str, predictions: Predictions, also: tuple[str, ...] = ()) -> None:
    """Refuses what are no predictions of classes.

    Args:
        name: of the argument.
        predictions: see `confident_errors`.
        also: columns that are needed besides image, label and prediction.

    Raises:
        ValueError: if a column is lacking, they differ in length, or there is no image.
    """
    checks.instance(name, predictions, Mapping, "a mapping of columns")
    for column in (*_COLUMNS, *also):
        if column not in predictions:
            remedy = "Classification tasks keep them."
            checks.refuse(name, f"with the column {column!r}", sorted(predictions), remedy)
    lengths = [len(predictions[column]) for column in (*_COLUMNS, *also)]
    if len(set(lengths)) > 1 or not lengths[0]:
        checks.refuse(name, "of columns of one length of at least 1", lengths)


def _confidences(predictions: Predictions) -> np.ndarray:
    sure = predictions.get("confidence")
    if sure is None:
        return np.zeros(len(predictions["label"]))
    return np.nan_to_num(np.asarray(sure, dtype=np.float64))
