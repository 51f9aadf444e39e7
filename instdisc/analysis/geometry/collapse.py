"""How small classes are beside the distances of their means: neural collapse.

Legend: N images, D width, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import Features

from ..inputs import Words
from .units import class_means, labelled_rows


@checked_call()
def variability_collapse(features: Tensor | Features, labels: Tensor | None = None) -> float:
    """How small classes are beside the distances of their means: NC1, 0 where they are points.

        tr(S_W S_B^+) / C

    with the covariance S_W of the images around their class means and S_B of the class means
    around the mean of these, each class counting alike. S_B has rank C - 1 at most: its
    pseudo-inverse is cut there, and at what is above rounding.

    Args:
        features: ``(N, D)`` float, or `Features`; not normalised.
        labels: see `class_separation`.

    Raises:
        TypeError, ValueError: see `feature_rows`, `class_rows`; if all classes have one mean.

    Source:
        Papyan, Han and Donoho, "Prevalence of neural collapse during the terminal phase of deep
        learning training" (2020), NC1. Differs from their notebook, which leaves out 1/C, as the
        paper's text has it.

    Example:
        >>> rows = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> variability_collapse(rows, torch.tensor([0, 0, 1, 1]))
        0.0
    """
    return collapse_of(*labelled_rows(features, labels))


def collapse_of(rows: Tensor, classes: Tensor) -> float:
    """NC1 of ``(N, D)`` float64 rows with classes 0 to C - 1, all of which occur.

    Raises:
        ValueError: if all classes have one mean.
    """
    _, means = class_means(rows, classes)
    between = (means - means.mean(0)) / len(means) ** 0.5  # S_B = between' between
    _, sizes, directions = torch.linalg.svd(between, full_matrices=False)
    rounding = max(between.shape) * torch.finfo(rows.dtype).eps * float(rows.abs().max())
    rank = min(len(means) - 1, int((sizes > rounding).sum()))
    if not rank:
        checks.refuse(
            "features", "of classes with different means", Words("one mean of all classes")
        )
    scaled = directions[:rank].T / sizes[:rank]  # (D, rank): S_B^+ = scaled scaled'
    inside = (rows - means[classes]) @ scaled
    return float((inside**2).sum()) / len(rows) / len(means)
