"""What a segmenter finds, beside the truth.

Legend: N images, C classes, H x W size of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from instdisc.checks import checked_call, whole
from instdisc.data import SegmentSource
from instdisc.loggers import log_picture
from instdisc.types import IGNORED_CLASS

from ..training import pictures_folder

_ROW = 2.2  # height of an image in inches


class SegmentationPictures(Callback):
    """Draws the first test images after each validation: image, truth, prediction.

    They go to ``segments.png`` in the run's folder, and to the loggers that show
    pictures (`instdisc.loggers.log_picture`).

    Args:
        num_images: how many.
        folder: another folder for the file.

    Raises:
        TypeError, ValueError: if `num_images` is no positive whole number, or `folder` a file.
    """

    @checked_call()
    def __init__(self, num_images: int = 4, *, folder: str | Path | None = None) -> None:
        self.num_images = whole("num_images", num_images)
        self.folder = pictures_folder(folder)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Before the processes part: the Trainer exchanges this path among them.
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        if not trainer.is_global_zero or trainer.sanity_checking:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        figure = draw_segments(pl_module, data.test, range(min(self.num_images, len(data.test))))
        path = (folder if self.folder is None else self.folder) / "segments.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
        log_picture(trainer.loggers, "segments", path, step=trainer.global_step)


def draw_segments(segmenter: Any, segments: SegmentSource, positions: Sequence[int]) -> Figure:
    """Images of a source with the truth and with what a `Segmenter` in eval mode finds.

    Args:
        segmenter: a `Segmenter`.
        segments: the source.
        positions: of the images in it.
    """
    images, masks, predicted = [], [], []
    for position in positions:
        image, mask = segments.pair(position)
        images.append(image)
        masks.append(mask)
        predicted.append(segmenter.predict_classes(image[None].to(segmenter.device))[0].cpu())
    return segments_figure(
        images, masks, predicted, classes=segments.classes, colors=segments.colors
    )


@checked_call()
def segments_figure(
    images: Sequence[Tensor],
    masks: Sequence[Tensor],
    predictions: Sequence[Tensor],
    *,
    classes: Sequence[str],
    colors: Tensor,
) -> Figure:
    """A row for each image: image, truth, prediction. Ignored pixels are white.

    Args:
        images: N tensors ``(3, H, W)`` uint8.
        masks: N tensors ``(H, W)`` integer classes; 255 = ignored.
        predictions: likewise; nothing is ignored.
        classes: C names, for the legend; those that are not shown are left out.
        colors: ``(C, 3)`` uint8.

    Raises:
        ValueError: if there is no image, or the numbers differ.
    """
    if not len(images) == len(masks) == len(predictions) or not len(images):
        raise ValueError(
            "`images`, `masks` and `predictions` must be of one length of at least 1, got "
            f"{len(images)}, {len(masks)} and {len(predictions)}"
        )
    shape = images[0].shape
    size = (3 * _ROW * shape[2] / shape[1] + 1.6, _ROW * len(images) + 0.3)
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no global state
    axes = figure.subplots(len(images), 3, squeeze=False)
    for row, image, mask, predicted in zip(axes, images, masks, predictions, strict=True):
        shown = (image.permute(1, 2, 0), colored(mask, colors), colored(predicted, colors))
        for place, picture in zip(row, shown, strict=True):
            place.imshow(picture.numpy(), interpolation="nearest")
            place.set_axis_off()
    for place, title in zip(axes[0], ("image", "truth", "prediction"), strict=True):
        place.set_title(title, fontsize=9)
    seen = torch.cat([part.flatten().long() for part in (*masks, *predictions)]).unique().tolist()
    patches = [
        Patch(color=tuple((colors[index] / 255).tolist()), label=classes[index])
        for index in seen
        if index != IGNORED_CLASS
    ]
    figure.legend(handles=patches, loc="outside right center", fontsize=7, frameon=False)
    return figure


def colored(mask: Tensor, colors: Tensor) -> Tensor:
    """A mask as a picture.

    Args:
        mask: ``(H, W)`` integer classes; 255 = ignored, white.
        colors: ``(C, 3)`` uint8.

    Returns:
        ``(H, W, 3)`` uint8.

    Example:
        >>> colored(torch.tensor([[0, 255]]), torch.tensor([[9, 8, 7]], dtype=torch.uint8)).tolist()
        [[[9, 8, 7], [255, 255, 255]]]
    """
    table = torch.full((IGNORED_CLASS + 1, 3), 255, dtype=torch.uint8)
    table[: len(colors)] = colors
    return table[mask.long()]
