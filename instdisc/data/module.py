"""Images to views for Lightning's Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import LightningDataModule

from .folders import ImageFolder
from .loader import ViewLoader
from .policies import evaluation_policy, view_policy
from .source import ImageSource, ImageSubset
from .views import RawViews, ViewDataset, ViewPolicy, finish_views


class ViewData(LightningDataModule):
    """Views of a set of images for pretraining, and plain images for watching it.

    Training batches are `Views` with `num_views` views. If `test_images` are given, there are two
    validation loaders of one plain view each: the training images (the bank of the online kNN)
    and the test images.

    Workers read, cut and draw the random numbers; colours are computed on the device after the
    transfer.

    Args:
        images: a folder (see `ImageFolder`) or any `ImageSource`.
        test_images: likewise; labelled images to watch the run with.
        policy: a name for `view_policy`, or a `ViewPolicy` of your own.
        image_size: side of a view in pixels; for a policy by name, and for the plain views.
        batch_size: images per process and step.
        num_views: views per image.
        num_workers: processes that read and cut.
        seed: of the order and of all random numbers of the views.
        max_bank: at most so many training images in the online kNN's bank, drawn by `seed`;
            ``None`` for all.
        on_unreadable: what to do at an image that cannot be decoded; see `ImageFolder`.

    Raises:
        ValueError: if `num_views` is not positive or the sets of images differ in their classes,
            and from the parts.

    Example:
        >>> from instdisc.data import Scenes
        >>> data = ViewData(Scenes(16, image_size=32), image_size=32, batch_size=8)
        >>> len(data.train_dataloader())
        2
    """

    def __init__(
        self,
        images: str | ImageSource | Path,
        test_images: str | ImageSource | Path | None = None,
        *,
        policy: str | ViewPolicy = "moco_v2",
        image_size: int = 224,
        batch_size: int = 256,
        num_views: int = 2,
        num_workers: int = 0,
        seed: int = 0,
        max_bank: int | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__()
        if num_views < 1:
            raise ValueError(f"`num_views` must be positive, got {num_views}")
        if max_bank is not None and max_bank < 1:
            raise ValueError(f"`max_bank` must be positive or None, got {max_bank}")
        self.images = _as_source(images, on_unreadable)
        self.test_images = None if test_images is None else _as_source(test_images, on_unreadable)
        if self.test_images is not None and list(self.test_images.classes) != list(
            self.images.classes
        ):
            raise ValueError(
                f"`test_images` has the classes {list(self.test_images.classes)[:5]}... and "
                f"`images` {list(self.images.classes)[:5]}...: they must be the same"
            )
        self.policy = view_policy(policy, image_size) if isinstance(policy, str) else policy
        self.image_size = image_size
        self.batch_size = batch_size
        self.num_views = num_views
        self.num_workers = num_workers
        self.seed = seed
        self.max_bank = max_bank

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 if the images have no labels."""
        return len(self.images.classes)

    def train_dataloader(self) -> ViewLoader:
        views = ViewDataset(self.images, [self.policy] * self.num_views, seed=self.seed)
        return self._loader(views, shuffle=True)

    def val_dataloader(self) -> list[ViewLoader]:
        if self.test_images is None:
            return []
        return [self.plain_loader(self._bank()), self.plain_loader(self.test_images)]

    def plain_loader(self, images: ImageSource) -> ViewLoader:
        """One plain view of every image, in order."""
        views = ViewDataset(images, [evaluation_policy(self.image_size)], seed=self.seed)
        return self._loader(views, shuffle=False)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if not isinstance(batch, RawViews):
            return batch
        if self.trainer is not None and self.trainer.training:
            return finish_views([self.policy] * self.num_views, batch)
        return finish_views([evaluation_policy(self.image_size)], batch)

    def _bank(self) -> ImageSource:
        if self.max_bank is None or self.max_bank >= len(self.images):
            return self.images
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.randperm(len(self.images), generator=generator)[: self.max_bank]
        return ImageSubset(self.images, chosen.sort().values)

    def _loader(self, views: ViewDataset, *, shuffle: bool) -> ViewLoader:
        return ViewLoader(
            views,
            self.batch_size,
            shuffle=shuffle,
            drop_last=shuffle,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            raw=True,
        )


def _as_source(
    images: str | ImageSource | Path, on_unreadable: Literal["raise", "skip"]
) -> ImageSource:
    if isinstance(images, ImageSource):
        return images
    return ImageFolder(images, on_unreadable=on_unreadable)
