"""What the labels of a target say about features without training: LogME, H-score, and LiDAR.

Legend: N images, Q views, D width.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, ImageSubset
from instdisc.data.left_out import say_once
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import extract_features, save_predictions
from instdisc.transfer.provenance import about_run
from instdisc.types import About, Record

from ..inputs import FEWEST, check_network, class_rows, feature_rows
from .h_score import score_of
from .lidar import lidar
from .logme import evidence_of
from .sphere import drawn
from .views import extract_views


@checked_call()
def evaluate_transferability(
    backbone: Backbone,
    test: ImageSource,
    *,
    seed: int = 0,
    num_views: int = 10,
    lidar_images: int = 1000,
    policy: str = "moco_v2",
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """LogME and H-score of the pooled features for the classes of a target, and LiDAR.

    The plain H-score is left out where there are no more images than columns, which the log says.

    Args:
        backbone: frozen; checked not to change.
        test: labelled images of the target; those of unknown class count for LiDAR alone.
        seed: of the random views and of the draw of images for LiDAR.
        num_views: Q of each image for LiDAR.
        lidar_images: at most so many images for LiDAR, drawn by `seed`.
        policy: of the random views, a name for `instdisc.data.view_policy`.
        image_size: side of the view in pixels; ``None``: at which the backbone was trained.
        batch_size: images at once.
        num_workers: processes that read.
        device: where the backbone computes.
        about: what the records say instead of what backbone and test set tell.
        arrays: a ``.npz`` file for ``class`` and ``logme``, the evidence of each class, if there
            is one.

    Returns:
        Records under the task ``"transferability"``, higher is better; without intervals. LogME is
        left out, with a line in the log, where features tell the classes exactly.

    Raises:
        TypeError, ValueError: if an argument is out of range, there are fewer than 4 images or two
            known classes, or the features are not finite or all the same.
        RuntimeError: if the backbone changed.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(16, image_size=32, num_categories=2)
        >>> records = evaluate_transferability(Backbone("test_resnet"), images, image_size=32,
        ...     num_views=2)
        >>> [record.metric for record in records]
        ['LogME', 'H-score, shrunk covariance', 'LiDAR']
    """
    start = time.perf_counter()
    check_network(backbone, device, test=test)
    checks.whole("num_views", num_views, at_least=2)
    checks.whole("lidar_images", lidar_images, at_least=4)
    features = extract_features(
        backbone,
        test,
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
    )
    positions, classes = class_rows(
        "labels", features.labels, len(features.labels), at_least=FEWEST
    )
    rows = feature_rows("features", features.rows(positions))
    chosen = drawn(torch.arange(len(test)), lidar_images, seed)
    (views,) = extract_views(
        backbone,
        ImageSubset(test, chosen),
        policy=policy,
        num_views=num_views,
        seed=seed,
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
    )
    score = score_of(rows, classes)
    width, count = rows.shape[1], len(rows)
    shape: dict[str, Any] = {"classes": int(classes.max()) + 1, "width": width}
    numbers: dict[str, tuple[float, int, dict[str, Any]]] = {}
    labels = features.labels[positions].unique().tolist()
    columns: dict[str, Any] = {
        "class": [test.classes[k] if k < len(test.classes) else str(k) for k in labels]
    }
    try:
        evidence = evidence_of(rows, classes)
    except ValueError as error:  # its likelihood has no bound: the other numbers have
        say_once(f"transferability: LogME of {test.name!r} is left out: {error}")
    else:
        numbers["LogME"] = (evidence.value, count, shape)
        columns["logme"] = evidence.class_evidence
    shrunk = {**shape, "shrinkage": score.shrinkage, "divisor": "N"}
    numbers["H-score, shrunk covariance"] = (score.value, count, shrunk)
    if count > width:
        numbers["H-score"] = (score_of(rows, classes, shrink=False).value, count, shape)
    else:
        say_once(
            f"transferability: the plain H-score of {test.name!r} is left out: of {count} images "
            f"and {width} columns it is C - 1 whatever the features are"
        )
    seen = {"width": width, "views": num_views, "policy": policy, "delta": 1e-4}
    numbers["LiDAR"] = (lidar(views), len(chosen), seen)
    save_predictions(arrays, columns)
    about = about_run(backbone, test, about, view=features.about.view)
    size = backbone.input.size if image_size is None else image_size
    seconds = time.perf_counter() - start
    return [
        Run(about, seed, seconds, {**settings, "image_size": size}, str(device)).record(
            "transferability", name, value, n=n, unit=""
        )
        for name, (value, n, settings) in numbers.items()
    ]
