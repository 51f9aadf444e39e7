"""What landmark errors on a test set are worth, as records.

Legend: N images, P points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from instdisc.data import LandmarkLayout
from instdisc.metrics import (
    area_under_curve,
    cumulative_errors,
    failure_rate,
    image_errors,
    mean_error,
    point_errors,
)
from instdisc.types import Record

from ..intervals import bootstrap_records

_CURVE = [step / 2 for step in range(31)]  # 0 to 15 %


def landmark_records(
    errors: Tensor,
    layout: LandmarkLayout,
    *,
    dataset: str,
    method: str,
    checkpoint: str = "",
    seed: int = 0,
    seconds: float = 0.0,
    settings: dict[str, Any],
) -> list[Record]:
    """Mean error, failures above 8 and 10 %, and the area under the curve to 10 %, in percent.

    The error of an image is the mean over its points that count, over the distance between its
    eyes (NME). The settings hold the error of each point, the cumulative error curve, and how
    many points did not count and how many faces had none that did.

    Args:
        errors: ``(N, P)``, of `LandmarkErrors`: NaN where a point does not count.
        layout: what the points are.
        dataset: see `Record`, like the rest.
        method: see `Record`.
        checkpoint: see `Record`.
        seed: see `Record`; of the resampling, too.
        seconds: see `Record`.
        settings: see `Record`.

    Returns:
        Four records; their interval is half of the 95 % percentile interval of 1,000 resamples of
        the test images.

    Raises:
        ValueError: if not one point counts.

    Example:
        >>> from instdisc.data import FACE_5
        >>> records = landmark_records(
        ...     torch.full((4, 5), 0.09), FACE_5, dataset="toy", method="none", settings={}
        ... )
        >>> [(record.metric, round(record.value, 1)) for record in records]
        [('NME', 9.0), ('failures above 8 %', 100.0), ('failures above 10 %', 0.0),
         ('AUC to 10 %', 10.0)]
    """
    counts = ~errors.isnan()
    of_images = image_errors(errors, counts)
    of_images = of_images[~of_images.isnan()]
    if not len(of_images):
        raise ValueError(f"not one point of the test images of {dataset!r} lies inside its image")
    of_points = 100 * point_errors(errors, counts)
    shares = 100 * cumulative_errors(of_images, torch.tensor(_CURVE).to(of_images) / 100)
    eyes = (" + ".join(layout.names[point] for point in eye) for eye in layout.eyes)
    settings = {
        **settings,
        "points_not_counted": int((~counts).sum()),
        "faces_left_out": int((~counts).all(1).sum()),
        "normalised_by": " to ".join(eyes),
        "per_point": {
            name: None if error.isnan() else float(error)
            for name, error in zip(layout.names, of_points, strict=True)
        },
        "curve": {"error": _CURVE, "share": shares.tolist()},
    }
    statistics: dict[str, Callable[..., Tensor]] = {
        "NME": mean_error,
        "failures above 8 %": lambda some: failure_rate(some, 0.08),
        "failures above 10 %": lambda some: failure_rate(some, 0.10),
        "AUC to 10 %": lambda some: area_under_curve(some, 0.10),
    }
    return bootstrap_records(
        "landmarks",
        statistics,
        [of_images],
        dataset=dataset,
        method=method,
        checkpoint=checkpoint,
        seed=seed,
        seconds=seconds,
        settings=settings,
    )
