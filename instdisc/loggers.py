"""Pictures for the loggers of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_log = logging.getLogger(__name__)


def log_picture(
    loggers: Iterable[Any], name: str, picture: Tensor | np.ndarray | Path | Any, *, step: int
) -> int:
    """Hands a picture to every logger that can show one.

    Each gets it in the way that its makers document, by whatever class it is offered:

    ====================================  ========================================================
    logger                                call
    ====================================  ========================================================
    W&B, and those like it                ``logger.log_image(key, images, step)``
    TensorBoard                           ``logger.experiment.add_image(tag, image, step)``
    MLflow                                ``logger.experiment.log_image(run_id, image, file)``
    Comet                                 ``logger.experiment.log_image(image, name=, step=)``
    ====================================  ========================================================

    Loggers that show none, like CSV files, are passed over: keep a file beside. One that fails is
    named in the log, and the run goes on.

    Args:
        loggers: e.g. ``trainer.loggers``; for the first of several processes alone.
        name: of the picture.
        picture: ``(3, H, W)`` float in [0, 1], ``(H, W, 3)`` uint8, a matplotlib figure, or the
            file of a picture.
        step: of the training.

    Returns:
        How many loggers took it.

    Raises:
        TypeError: if `picture` is of another type.

    Example:
        >>> from pytorch_lightning.loggers import CSVLogger
        >>> log_picture([CSVLogger("runs")], "views", torch.rand(3, 8, 8), step=0)
        0
    """
    loggers = list(loggers)
    if not loggers:
        return 0
    pixels, taken = as_pixels(picture), 0
    for logger in loggers:
        try:
            taken += _hand_over(logger, name, pixels, step)
        except Exception as error:  # of a service: not worth a training
            _log.warning(
                "the picture %r did not reach %s (%s: %s)",
                *(name, type(logger).__name__, type(error).__name__, error),
            )
    return taken


def as_pixels(picture: Tensor | np.ndarray | Path | Any) -> np.ndarray:
    """A picture as ``(H, W, 3)`` uint8; see `log_picture`.

    Example:
        >>> as_pixels(torch.ones(3, 2, 4)).shape
        (2, 4, 3)
    """
    if isinstance(picture, Tensor):
        return picture.detach().mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    if isinstance(picture, np.ndarray):
        return picture
    if isinstance(picture, Path):
        from PIL import Image

        with Image.open(picture) as opened:
            return np.asarray(opened.convert("RGB"))
    if hasattr(picture, "savefig"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        return np.array(canvas.buffer_rgba())[..., :3]
    raise TypeError(
        "`picture` must be a tensor, an array, a matplotlib figure or a file, got "
        f"{type(picture).__name__}"
    )


def _hand_over(logger: Any, name: str, pixels: np.ndarray, step: int) -> bool:
    if callable(getattr(logger, "log_image", None)):
        logger.log_image(name, [pixels], step=step)
        return True
    experiment: Any = getattr(logger, "experiment", None)
    if callable(getattr(experiment, "add_image", None)):
        experiment.add_image(name, torch.from_numpy(pixels.copy()).permute(2, 0, 1), step)
        return True
    if callable(getattr(experiment, "log_image", None)):
        run = getattr(logger, "run_id", None)
        if run is None:
            experiment.log_image(pixels, name=name, step=step)
        else:
            experiment.log_image(run, pixels, f"{name}/{step:08d}.png")
        return True
    return False
