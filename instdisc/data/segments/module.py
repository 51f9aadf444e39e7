"""Images and masks for Lightning's Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule

from instdisc import checks
from instdisc.types import InputSpec

from ..layout import Part
from ..loader import ViewLoader
from .dataset import RawSegments, SegmentDataset
from .distortion import PhotometricDistortion
from .opening import open_segments
from .policy import SegmentPolicy
from .source import SegmentSource
from .truth import check_test, check_train


class SegmentData(LightningDataModule):
    """Crops to train a segmenter on, and whole images to test it on, as `SegmentBatch`.

    Workers read, cut and draw the random numbers; colours are computed on the device.

    Args:
        train: a name or folder for `open_segments`, or any `SegmentSource`.
        test: a name, folder or source to test on; ``None``: the test part of `train`'s name.
        root: folder that holds the named sets; ``None`` for the working folder.
        crop_size: side of the crops in pixels, or height and width.
        scale: smallest and largest factor by which training images are scaled, drawn evenly.
        short_side: side of the shorter edge of training images at factor 1; ``None``: as they are.
        flip: chance of a horizontal flip of a training crop.
        max_share: training crops of which one class has this share or more of the pixels that
            count are drawn again, up to 10 times. 1 takes the first.
        distort: whether the colours are distorted (`PhotometricDistortion`).
        batch_size: crops per process and step.
        test_batch_size: test images per process and step.
        num_workers: processes that read and cut.
        seed: of the order and of all random numbers; 0 to 2**32 - 1.

    Raises:
        FileNotFoundError: if a set is not there.
        ValueError: if an argument is out of range, `test` is needed, or the sets differ in their
            classes; and from `setup`, when a Trainer begins.

    Example:
        >>> from instdisc.data import SceneSegments, Scenes
        >>> segments = SceneSegments(Scenes(16, image_size=32))
        >>> data = SegmentData(segments, segments, crop_size=32, batch_size=8)
        >>> len(data.train_dataloader()), data.num_classes
        (2, 11)
    """

    def __init__(
        self,
        train: SegmentSource | str | Path,
        test: SegmentSource | str | Path | None = None,
        *,
        root: str | Path | None = None,
        crop_size: int | Sequence[int] = 512,
        scale: Sequence[float] = (0.5, 2.0),
        short_side: int | None = None,
        flip: float = 0.5,
        max_share: float = 1.0,
        distort: bool = False,
        batch_size: int = 8,
        test_batch_size: int = 1,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        checks.arguments(
            SegmentData.__init__,
            locals(),
            crop_size=checks.whole,
            short_side=checks.whole,
            flip=checks.share,
            max_share=checks.share,
            batch_size=checks.whole,
            test_batch_size=checks.whole,
            num_workers=checks.count,
            seed=checks.count,
        )
        super().__init__()
        if test is None:
            if isinstance(train, SegmentSource):
                raise ValueError("`test` must be given where `train` is a SegmentSource, got None")
            test = train
        self.train = _as_source(train, root, "train")
        self.test = _as_source(test, root, "test")
        if list(self.train.classes) != list(self.test.classes):
            raise ValueError(
                f"`test` has the classes {list(self.test.classes)[:5]}... and `train` "
                f"{list(self.train.classes)[:5]}...: they must be the same"
            )
        self.policy = SegmentPolicy(
            crop_size,
            scale=scale,
            short_side=short_side,
            flip=flip,
            max_share=max_share,
            photometric=[PhotometricDistortion()] if distort else [],
        )
        self.batch_size = batch_size
        self.test_batch_size = test_batch_size
        self.num_workers = num_workers
        self.seed = seed
        self._checked: set[str] = set()

    def setup(self, stage: str | None = None) -> None:
        """Looks at the masks, once, before anything is trained on them.

        Raises:
            ValueError: if a class never occurs in the masks of `train`, not one pixel of `test`
                counts, or a pair cannot be used.
        """
        checks = {"train": (check_train, self.train), "test": (check_test, self.test)}
        for part in ("train", "test") if stage in (None, "fit") else ("test",):
            if part not in self._checked:
                check, segments = checks[part]
                check(segments)
                self._checked.add(part)

    def show_as(self, seen: InputSpec) -> None:
        """Resizes images as those were that a backbone was trained on; its module says so."""
        self.policy.interpolation = seen.interpolation

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.train.classes)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.train.classes)

    def train_dataloader(self) -> ViewLoader:
        crops = SegmentDataset(self.train, self.policy, seed=self.seed)
        return self._loader(crops, self.batch_size, shuffle=True)

    def val_dataloader(self) -> ViewLoader:
        return self._loader(SegmentDataset(self.test), self.test_batch_size, shuffle=False)

    def test_dataloader(self) -> ViewLoader:
        return self.val_dataloader()

    def predict_dataloader(self) -> ViewLoader:
        return self.val_dataloader()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch.finish(self.policy) if isinstance(batch, RawSegments) else batch

    def _loader(self, dataset: SegmentDataset, batch_size: int, *, shuffle: bool) -> ViewLoader:
        batches: Any = dataset  # of raw batches the loader asks no more than this one has
        return ViewLoader(
            batches,
            batch_size,
            shuffle=shuffle,
            drop_last=shuffle,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            raw=True,
        )


def _as_source(
    segments: SegmentSource | str | Path, root: str | Path | None, part: Part
) -> SegmentSource:
    if isinstance(segments, SegmentSource):
        return segments
    return open_segments(segments, root, part=part)
