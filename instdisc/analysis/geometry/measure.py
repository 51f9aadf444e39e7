"""The numbers of one stage.

Legend: N images, D width, S stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from instdisc.data.left_out import say_once
from instdisc.transfer import Features

from ..inputs import feature_rows
from .collapse import collapse_of
from .decay import PUBLISHED_RANKS, decay_of, num_ranks
from .separation import separation_of, spread_of
from .spectrum import Spectrum, effective_rank, eigenvalue_ratio, spectrum_of, strength_ratio
from .sphere import silhouette, uniformity, view_distances
from .units import class_units

# Which way is better for transfer, as the papers argue; see `evaluate_geometry`.
HIGHER_IS_BETTER = {
    "class separation": False,
    "variability collapse": True,
    "intra-class spread": True,
    "silhouette": False,
    "alignment": False,
    "uniformity": False,
    "RankMe": True,
    "alpha": False,
    "alpha of ranks 11 to 100": False,
    "participation ratio": True,
    "stable rank": True,
}
_NORMAL = 1.959963984540054  # quantile of a 95 % interval


class Measured(NamedTuple):
    """A number of a stage.

    Attributes:
        value: the number.
        n: images that it is computed from.
        error: its standard error; ``None`` if it has none.
        settings: what it depends on.
    """

    value: float
    n: int
    error: float | None = None
    settings: Mapping[str, Any] = {}

    @property
    def ends(self) -> tuple[float, float] | None:
        """Of its 95 % interval."""
        if self.error is None:
            return None
        return self.value - _NORMAL * self.error, self.value + _NORMAL * self.error


def measure_stage(
    name: str, features: Features, views: Tensor, *, max_images: int, seed: int
) -> tuple[dict[str, Measured], dict[str, Tensor]]:
    """The numbers of a stage, and arrays of it.

    Args:
        name: of the features, for messages.
        features: of the images as they are.
        views: ``(N, 2, D)`` of two random views of each.
        max_images: at most so many whose pairs are compared.
        seed: of their draw.

    Returns:
        Numbers by metric, and arrays by name.

    Raises:
        TypeError, ValueError: see `evaluate_geometry`.
    """
    rows = feature_rows(name, features)
    numbers, kept = _of_classes(features, max_images, seed)
    distances = view_distances(views[:, 0], views[:, 1])
    error = float(distances.std()) / len(rows) ** 0.5
    numbers["alignment"] = Measured(float(distances.mean()), len(rows), error)
    even = uniformity(rows, max_images=max_images, seed=seed)
    pairs = {"images": even.images, "pairs": even.images * (even.images - 1) // 2}
    numbers["uniformity"] = Measured(even.value, even.images, even.error, pairs)
    spread = spectrum_of(rows)
    numbers.update(_of_spectrum(spread, rows))
    kept.update(singular_values=spread.singular_values, eigenvalues=spread.eigenvalues)
    return numbers, kept


def _of_classes(
    features: Features, max_images: int, seed: int
) -> tuple[dict[str, Measured], dict[str, Tensor]]:
    labels = features.labels
    labelled = labels >= 0
    count, num_classes = int(labelled.sum()), len(labels[labelled].unique())
    if num_classes < 2 or count < max(4, num_classes + 1):
        say_once(
            f"geometry: the numbers of classes of {features.about.dataset!r} are left out: it "
            f"shows {count} images of {num_classes} known classes"
        )
        return {}, {}
    units = class_units(features, labels)
    apart, wide = separation_of(units), spread_of(units)
    classes = {"classes": num_classes}
    numbers = {
        "class separation": Measured(apart.value, count, apart.error, classes),
        "variability collapse": Measured(
            collapse_of(features.features[labelled].double(), units.classes), count, None, classes
        ),
        "intra-class spread": Measured(wide.value, count, wide.error, classes),
    }
    compared = min(count, max_images)
    try:
        value = silhouette(features, max_images=max_images, seed=seed)
    except ValueError as error:
        say_once(f"geometry: silhouette of {features.about.dataset!r} is left out: {error}")
    else:
        settings = {**classes, "images": compared, "distance": "cosine"}
        numbers["silhouette"] = Measured(value, compared, None, settings)
    return numbers, {"class_within": apart.class_within, "class_spread": wide.class_spread}


def _of_spectrum(spread: Spectrum, rows: Tensor) -> dict[str, Measured]:
    count, available = len(rows), num_ranks(rows)
    numbers = {"RankMe": Measured(effective_rank(spread.singular_values), count)}
    fits: list[tuple[str, dict[str, Any]]] = [("alpha", {})]
    first, last = PUBLISHED_RANKS
    if available >= last:
        fits.append(
            ("alpha of ranks 11 to 100", {"first": first, "last": last, "weights": "1/rank"})
        )
    for name, options in fits:
        try:
            fit = decay_of(spread.eigenvalues, available, **options)
        except ValueError as error:
            say_once(f"geometry: {name} is left out: {error}")
        else:
            settings = {"ranks": [fit.first, fit.last], "weights": fit.weights}
            numbers[name] = Measured(fit.alpha, count, None, settings)
    numbers["participation ratio"] = Measured(eigenvalue_ratio(spread.eigenvalues), count)
    numbers["stable rank"] = Measured(strength_ratio(spread.singular_values), count)
    return numbers


def number_table(stages: Sequence[dict[str, Measured]]) -> dict[str, np.ndarray]:
    """Each number by stage with the ends of its interval, for arrays; NaN where there is none."""
    columns: dict[str, np.ndarray] = {}
    for name in HIGHER_IS_BETTER:
        column = column_name(name)
        missing = Measured(float("nan"), 0)
        numbers = [stage.get(name, missing) for stage in stages]
        ends = [number.ends or (float("nan"),) * 2 for number in numbers]
        columns[column] = np.array([number.value for number in numbers])
        columns[f"{column}_low"] = np.array([low for low, _ in ends])
        columns[f"{column}_high"] = np.array([high for _, high in ends])
    return columns


def column_name(metric: str) -> str:
    """What a metric is called in the arrays.

    Example:
        >>> column_name("intra-class spread")
        'intra_class_spread'
    """
    return metric.lower().replace(" ", "_").replace("-", "_")
