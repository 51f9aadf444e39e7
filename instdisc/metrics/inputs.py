"""What the metrics ask of labels and predictions.

Legend: N images, C classes, `...` any further dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.types import UNKNOWN_LABEL


def check_classes(
    name: str, labels: Tensor, num_classes: int | None = None, *, unknown: bool = False
) -> Tensor:
    """Whole numbers of classes.

    Args:
        name: of the argument.
        labels: of any shape.
        num_classes: C; ``None`` for any number.
        unknown: whether -1 is allowed.

    Raises:
        TypeError: if they are no whole numbers.
        ValueError: if one is outside the classes.
    """
    checks.dtype(name, labels, checks.INTEGERS, remedy="Classes are whole numbers, from 0 on.")
    if not labels.numel():
        return labels
    least, most = (int(end) for end in labels.aminmax())  # one look at the data
    lowest = UNKNOWN_LABEL if unknown else 0
    if least < lowest or (num_classes is not None and most >= num_classes):
        top = "" if num_classes is None else f" to {num_classes - 1}"
        wrong = least if least < lowest else most
        also = f", or {UNKNOWN_LABEL} for an unknown class" if unknown else ""
        remedy = (
            f"Leave images of unknown class ({UNKNOWN_LABEL}) out."
            if least == UNKNOWN_LABEL and not unknown
            else ""
        )
        checks.refuse(name, f"classes from 0{top}{also}", wrong, remedy)
    return labels


def check_features(name: str, features: Tensor) -> Tensor:
    """A table ``(N, D)`` of finite numbers.

    Raises:
        TypeError: if they are no floating-point numbers.
        ValueError: if the shape is another, or a number is NaN or infinite.
    """
    checks.dtype(name, checks.shape(name, features, ("N", "D")), checks.FLOATS)
    return checks.all_finite(name, features, row="row")


def check_directions(name: str, features: Tensor) -> Tensor:
    """Rows ``(N, D)`` that point somewhere: a cosine with a row of zeros has no value.

    Raises:
        ValueError: if a row is zero.
    """
    zero = ~features.any(1)
    if bool(zero.any()):
        checks.refuse(
            name,
            "of rows that are not zero, whose cosines have no value",
            f"zeros in row {int(zero.nonzero()[0])}, {int(zero.sum())} such rows",
            "The backbone has collapsed; load another checkpoint.",
        )
    return features


def check_pairs(name: str, values: Tensor, truth_name: str, truth: Tensor) -> Tensor:
    """Values ``(..., N)``, as many as the truth ``(..., N)`` and at least one.

    Raises:
        ValueError: if the shapes differ, or there is no image.
    """
    checks.same_shape(name, values, truth_name, truth)
    if not values.ndim or not values.shape[-1]:
        checks.refuse(name, f"of at least one image, like `{truth_name}`", values)
    return values


def check_confidences(confidences: Tensor, hits: Tensor, name: str = "hits") -> Tensor:
    """Probabilities ``(..., N)`` of predictions that `hits` ``(..., N)`` calls right or wrong.

    Args:
        confidences: the probabilities.
        hits: what each of them is compared with.
        name: of that argument.

    Raises:
        TypeError: if `hits` are not bool.
        ValueError: if there is no image, the shapes differ, or a confidence is NaN or lies outside
            [0, 1].
    """
    checks.dtype(name, hits, torch.bool, remedy="Compare predictions with labels.")
    check_pairs("confidences", confidences, name, hits)
    checks.dtype("confidences", confidences, checks.FLOATS)
    outside = ~((confidences >= 0) & (confidences <= 1.0 + 1e-5))
    if outside.any():
        value = float(confidences[outside][0])
        checks.refuse("confidences", "from 0 to 1", value, "Take the softmax of logits.")
    return confidences
