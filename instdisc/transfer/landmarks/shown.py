"""Small pictures of predicted points for a report: the same test images for every module.

Legend: N images, P points, H x W size of an image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from instdisc.data import LandmarkSource, image_names
from instdisc.metrics import image_errors

from ..thumbnails import NUM_SHOWN, picture_columns, picture_scale, resized, spread_order
from .module import LandmarkResult

_TRUE, _PREDICTED = (0, 230, 80), (255, 60, 60)
_DRAWN = 2  # times the size in which a picture is kept: smooth dots


def shown_columns(result: LandmarkResult, source: LandmarkSource, longest: int) -> dict[str, Any]:
    """True and predicted points of a few test images, see `picture_columns`.

    Args:
        result: of a test; images of which no point counts are not shown.
        source: the test set.
        longest: side of a picture in pixels.
    """
    errors = image_errors(result.errors, ~result.errors.isnan())
    rows = [row for row in range(len(errors)) if not bool(errors[row].isnan())]
    names = image_names(source)
    tested = [names[int(result.positions[row])] for row in rows]
    chosen = [rows[place] for place in spread_order(tested)[:NUM_SHOWN]]
    truths, predictions = [], []
    for row in chosen:
        position = int(result.positions[row])
        image, points = source.read(position), source.points(position)
        true, seen = points[:, :2], points[:, 2] > 0
        predicted = result.points[row]
        truths.append(
            (_drawn(image, longest, true[seen]), f"{int(seen.sum())} of {len(seen)} points visible")
        )
        words = f"mean error {100 * float(errors[row]):.1f} % of the distance between the eyes"
        predictions.append((_drawn(image, longest, true[seen], predicted[seen]), words))
    shown = [names[int(result.positions[row])] for row in chosen]
    key = {"true point": _TRUE, "predicted point": _PREDICTED}
    return picture_columns(shown, truths, predictions, longest, key)


def _drawn(image: Tensor, longest: int, true: Tensor, predicted: Tensor | None = None) -> Tensor:
    """True points green, predicted ones red, a line from each to its own."""
    side = _DRAWN * longest
    scale = picture_scale(image.shape[1], image.shape[2], side)
    pixels = resized(image, side, enlarge=True)
    canvas = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    draw = ImageDraw.Draw(canvas)
    radius = max(2.0, side / (110 if len(true) < 20 else 160))
    if predicted is not None:
        for start, end in zip((true * scale).tolist(), (predicted * scale).tolist(), strict=True):
            draw.line([*start, *end], fill=(255, 235, 0), width=2)
    for points, color in ((true, _TRUE), (predicted, _PREDICTED)):
        for x, y in [] if points is None else (points * scale).tolist():
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1)
