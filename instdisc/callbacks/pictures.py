"""A picture of what the network gets to see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import functional as F
from torchvision.utils import make_grid, save_image

from instdisc import checks
from instdisc.loggers import log_picture


class ViewPictures(Callback):
    """Saves the views of the first training batch as one picture, a row per image.

    Views that are smaller than others keep their size, at the upper left of their place.

    It goes to ``views.png`` in the run's folder, and to the loggers that show
    pictures (`instdisc.loggers.log_picture`).

    Args:
        num_images: at most so many rows.
        mean: of the normalisation to undo, per channel.
        std: likewise.

    Raises:
        TypeError: if `num_images` is no whole number, or `mean` or `std` no sequence of numbers.
        ValueError: if `num_images` or a number of `std` is not positive, or `mean` or `std` are
            not three finite numbers.
    """

    def __init__(
        self,
        num_images: int = 8,
        *,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
    ) -> None:
        checks.arguments(
            ViewPictures.__init__, locals(), num_images=checks.whole, std=checks.positive
        )
        self.num_images = num_images
        for name, numbers in (("mean", mean), ("std", std)):
            if len(numbers) != 3:
                checks.refuse(name, "three numbers, one per channel", numbers)
        self.mean = mean
        self.std = std
        self._done = False

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._done:
            return
        self._done = True
        # Before the processes part: the Trainer exchanges this path among them.
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        if not trainer.is_global_zero:
            return
        picture = self.picture(batch[0])
        folder.mkdir(parents=True, exist_ok=True)
        save_image(picture, folder / "views.png")
        log_picture(trainer.loggers, "views", picture, step=trainer.global_step)

    def picture(self, images: Sequence[Tensor]) -> Tensor:
        """The grid.

        Args:
            images: V tensors ``(B, 3, H, W)``, normalised; H and W may differ between views.

        Returns:
            ``(3, rows, columns)`` float in [0, 1], on the CPU.
        """
        views = [view[: self.num_images].float().cpu() for view in images]
        mean, std = torch.tensor(self.mean)[:, None, None], torch.tensor(self.std)[:, None, None]
        colours = [(view * std + mean).clamp(0, 1) for view in views]
        height, width = (max(view.shape[axis] for view in views) for axis in (2, 3))
        tiles = [
            F.pad(view, (0, width - view.shape[3], 0, height - view.shape[2])) for view in colours
        ]
        return make_grid(torch.stack(tiles, 1).flatten(0, 1), nrow=len(images), padding=1)
