"""What landmark errors on a test set are worth, as records and as arrays.

Legend: N images, P points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instdisc.checks import FLOATS, checked_call, dtype, shape
from instdisc.data import LandmarkData, LandmarkLayout, describe_view, image_names
from instdisc.metrics import (
    area_under_curve,
    cumulative_errors,
    failure_rate,
    image_errors,
    mean_error,
    point_errors,
)
from instdisc.predictions import save_predictions
from instdisc.records import Run
from instdisc.types import About, Record

from ..history import chosen, training_run
from ..intervals import bootstrap_records
from ..provenance import former_keywords
from ..thumbnails import THUMBNAIL, thumbnail_side
from .module import LandmarkModule, LandmarkResult
from .shown import shown_columns

_CURVE = [step / 2 for step in range(31)]  # 0 to 15 %


@former_keywords
@checked_call(thumbnail=thumbnail_side)
def run_records(
    module: LandmarkModule,
    data: LandmarkData,
    about: About | None = None,
    *,
    seconds: float = 0.0,
    settings: Mapping[str, Any] | None = None,
    predictions: str | Path | None = None,
    thumbnail: int = THUMBNAIL,
) -> list[Record]:
    """The records of the last test; module, data and Trainer say how the head was trained.

    Args:
        module: after a test.
        data: what it was trained and tested on.
        about: what the records say instead of what the module knows.
        seconds: that it took.
        settings: more of them.
        predictions: a ``.npz`` file for `run_predictions`; ``None``: none.
        thumbnail: see `run_predictions`.

    Returns:
        See `landmark_records`.

    Raises:
        ValueError: if `module` was not tested, or not one point counts.
        TypeError: if `about` is something else.
    """
    result = tested(module)
    run = training_run(
        module,
        data,
        about,
        view={**describe_view(data.test_set.policies[0]), "crop": data.crop},
        settings={
            **module.spec,
            **chosen(module, "image_size", "frozen", "learning_rate", "weight_decay"),
            "backbone_learning_rate": None if module.frozen else module.backbone_learning_rate,
            **chosen(data, "crop", "margin", "augment"),
            **(settings or {}),
        },
        seconds=seconds,
    )
    if predictions is not None and module.trainer.is_global_zero:
        save_predictions(predictions, run_predictions(module, data, thumbnail=thumbnail))
    return landmark_records(result.errors, module.layout, run)


@checked_call(thumbnail=thumbnail_side)
def run_predictions(
    module: LandmarkModule, data: LandmarkData, *, thumbnail: int = THUMBNAIL
) -> dict[str, Any]:
    """What was found in the last test, for `save_predictions`.

    ``image`` holds the names of the images; ``points``, ``(N, P, 2)``, x and y that were found, in
    pixels of the image; ``error``, ``(N, P)``, how far they lie off over the distance between the
    eyes, NaN where a point does not count.

    A few images, the same for every method, are kept as small pictures: ``shown``, their names,
    ``shown_truth``, ``shown_prediction`` and what these show in words, see `picture_columns`.

    Args:
        module: after a test.
        data: what it was tested on.
        thumbnail: longer side of these pictures in pixels; 0 for none.

    Raises:
        ValueError: if `module` was not tested.
    """
    result, names = tested(module), image_names(data.test)
    return {
        "image": [names[position] for position in result.positions.tolist()],
        "points": result.points,
        "error": result.errors,
        **(shown_columns(result, data.test, thumbnail) if thumbnail else {}),
    }


@checked_call()
def landmark_records(errors: Tensor, layout: LandmarkLayout, run: Run) -> list[Record]:
    """Mean error, failures above 8 and 10 %, and the area under the curve to 10 %, in percent.

    The error of an image is the mean over its points that count, over the distance between its
    eyes (NME). The settings hold the error of each point, the cumulative error curve, and how
    many points did not count and how many faces had none that did.

    Args:
        errors: ``(N, P)``, of `LandmarkErrors`: NaN where a point does not count.
        layout: what the points are.
        run: what the records have in common; its seed resamples.

    Returns:
        Four records with a bootstrap interval over the test images.

    Raises:
        ValueError: if not one point counts.

    Example:
        >>> from instdisc.data import FACE_5
        >>> records = landmark_records(torch.full((4, 5), 0.09), FACE_5, Run(About("mine")))
        >>> [(record.metric, round(record.value, 1)) for record in records]
        [('NME', 9.0), ('failures above 8 %', 100.0), ('failures above 10 %', 0.0),
         ('AUC to 10 %', 10.0)]
    """
    dtype("errors", shape("errors", errors, ("N", len(layout.names))), FLOATS)
    counts = ~errors.isnan()
    of_images = image_errors(errors, counts)
    of_images = of_images[~of_images.isnan()]
    if not len(of_images):
        raise ValueError(
            "`errors` must hold a point that counts: not one point of the test images of "
            f"{run.about.dataset!r} lies inside its image"
        )
    of_points = 100 * point_errors(errors, counts)
    shares = 100 * cumulative_errors(of_images, torch.tensor(_CURVE).to(of_images) / 100)
    eyes = (" + ".join(layout.names[point] for point in eye) for eye in layout.eyes)
    settings = {
        **run.settings,
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
        run._replace(settings=settings),
        lower=[name for name in statistics if name != "AUC to 10 %"],
    )


def tested(module: LandmarkModule) -> LandmarkResult:
    """The result of the last test.

    Raises:
        ValueError: if there is none.
    """
    if module.result is None:
        raise ValueError("`module` must have been tested: its `result` is None")
    return module.result
