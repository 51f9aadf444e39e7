"""The mistakes of one classifier, from what a task of the suite predicted.

Legend: E errors shown, C classes, S side of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.analysis.analysis import checkpoint_arrays
from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.metrics import wilson_interval
from instdisc.metrics.mistakes import Predictions, confident_errors
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.transfer.provenance import checked
from instdisc.types import About, Record

from .mistake_records import image_places, top_record
from .mistake_rows import class_text
from .subjects import thumbnail_side, thumbnails
from .tile_sheet import Tile, TileRow, tile_sheet


@checked_call(thumbnail=thumbnail_side)
def evaluate_errors(
    predictions: Predictions,
    test: ImageSource,
    *,
    num_errors: int = 8,
    sure: float = 0.9,
    thumbnail: int = 64,
    seed: int = 0,
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """The surest errors of a classifier, and how often it errs where it is sure.

    Args:
        predictions: see `confident_errors`.
        test: the images, whose names the predictions hold.
        num_errors: E.
        sure: confidence from which on an answer counts as sure.
        thumbnail: S in pixels; 0: the figure shows names instead of pictures.
        seed: of the run, for the record.
        about: whose predictions they are.
        arrays: a ``.npz`` file for ``image (E,)`` and ``class (C,)`` texts, ``label (E,)``,
            ``prediction (E,)``, ``confidence (E,)``, ``thumbnail (E, S, S, 3)`` and ``top ()`` in
            percent; ``None``: none.

    Returns:
        Top-1, and the share of wrong answers among those at least as confident as `sure`, both in
        percent with Wilson's interval; the second is left out where no answer is that confident.

    Raises:
        TypeError: if a number is of another kind.
        ValueError: see `confident_errors`; if an image is not of the test set.

    Example:
        >>> from instdisc.data import Scenes
        >>> predictions = {"image": np.array(["0", "1"]), "label": np.array([0, 1]),
        ...     "prediction": np.array([0, 0]), "confidence": np.array([0.7, 0.95])}
        >>> records = evaluate_errors(predictions, Scenes(4, image_size=32))
        >>> [(record.metric, record.value, record.n) for record in records]
        [('top-1', 50.0, 2), ('errors when sure', 100.0, 1)]
    """
    checks.share("sure", sure)
    rows = confident_errors(predictions, num_errors=num_errors)
    places = image_places({"this classifier": predictions}, test)
    whose = About(dataset=test.name).update(checked(about))
    run = Run(whose, seed, settings={"sure": sure})
    top = top_record("confident_errors", run, predictions)
    records = [top]
    certain = np.asarray(predictions["confidence"]) >= sure
    if certain.any():
        wrong = np.asarray(predictions["prediction"] != predictions["label"])[certain]
        low, high = wilson_interval(int(wrong.sum()), len(wrong))
        records.append(
            run.record(
                "confident_errors",
                "errors when sure",
                100 * float(wrong.mean()),
                ends=(100 * low, 100 * high),
                interval=f"Wilson, {len(wrong)} images",
                n=len(wrong),
                higher_is_better=False,
            )
        )
    if arrays is not None:
        images = [str(image) for image in np.asarray(predictions["image"])[rows]]
        positions = torch.tensor([places[image] for image in images], dtype=torch.int64)
        save_predictions(
            arrays,
            {
                "image": np.array(images, dtype=str),
                "class": np.array([str(name) for name in test.classes], dtype=str),
                **{c: predictions[c][rows] for c in ("label", "prediction", "confidence")},
                "thumbnail": thumbnails(test, positions, thumbnail),
                "top": np.array(top.value),
            },
        )
    return records


_COLUMNS = ("image", "class", "label", "prediction", "confidence", "thumbnail", "top")


@checked_call()
def confident_errors_figure(arrays: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """A row of the surest errors for each checkpoint.

    Args:
        arrays: by the checkpoint's name, those that `evaluate_errors` wrote.

    Raises:
        ValueError: if there is no checkpoint, or one lacks an array.

    Example:
        >>> content = {"image": np.array(["a.png"]), "class": np.array(["cat", "dog"]),
        ...     "label": np.array([0]), "prediction": np.array([1]),
        ...     "confidence": np.array([0.9]), "thumbnail": np.zeros((1, 0, 0, 3), np.uint8),
        ...     "top": np.array(50.0)}
        >>> type(confident_errors_figure({"random": content})).__name__
        'Figure'
    """
    checkpoint_arrays("arrays", arrays, _COLUMNS)
    rows = []
    for name, content in arrays.items():
        tiles = [
            Tile(
                content["thumbnail"][row],
                class_text(content["class"], int(content["label"][row])),
                class_text(content["class"], int(content["prediction"][row])),
                float(content["confidence"][row]),
                str(content["image"][row]),
            )
            for row in range(len(content["image"]))
        ]
        rows.append(TileRow(f"{name} (top-1 {float(content['top']):.1f} %)", tiles))
    return tile_sheet(
        rows,
        num_columns=max(1, *(len(row.tiles) for row in rows)),
        title="The errors that each is surest of",
        note="first line: the image's class; second line: what was predicted, and how surely",
    )
