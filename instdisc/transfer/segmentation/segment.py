"""Semantic segmentation as one function."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from pytorch_lightning import Callback
from pytorch_lightning.utilities.seed import isolate_rng

from instdisc.checks import checked_call, refuse, whole
from instdisc.data import SegmentData, SegmentSource
from instdisc.models import Backbone
from instdisc.predictions import check_predictions
from instdisc.types import About, Record

from ..provenance import checked, former_keywords
from ..thumbnails import THUMBNAIL, thumbnail_side
from ..training import StepTeller, batch_per_process, pictures_folder, quiet_trainer
from .module import Segmenter
from .network import Head
from .pictures import SegmentationPictures
from .records import run_records
from .schedule import Schedule


@former_keywords
@checked_call(thumbnail=thumbnail_side)
def segment(
    backbone: Backbone,
    train: SegmentSource,
    test: SegmentSource,
    *,
    seed: int = 0,
    head: Head = "deeplab",
    output_stride: int = 16,
    width: int = 256,
    dropout: float | None = None,
    auxiliary: float = 0.0,
    steps: int = 2000,
    batch_size: int = 8,
    crop_size: int | Sequence[int] = 512,
    scale: Sequence[float] = (0.5, 2.0),
    short_side: int | None = None,
    flip: float = 0.5,
    max_share: float = 1.0,
    distort: bool = False,
    learning_rate: float = 0.01,
    weight_decay: float = 1e-4,
    head_rate: float = 1.0,
    schedule: Schedule = "poly",
    test_short_side: int | None = None,
    window: int | Sequence[int] | None = None,
    window_step: int | Sequence[int] | None = None,
    test_batch_size: int = 1,
    channels_last: bool = False,
    accelerator: str = "auto",
    devices: int | str | list[int] = 1,
    precision: str = "32-true",
    num_workers: int = 0,
    pictures: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    about: About | None = None,
    predictions: str | Path | None = None,
    thumbnail: int = THUMBNAIL,
) -> list[Record]:
    """Trains a backbone with a segmentation head and tests it, once, after the last step.

    Images are normalised and resized as the backbone was trained to see them.

    Args:
        backbone: where to start, a timm ResNet; it is not changed.
        train: the training set.
        test: the test set, of the same classes.
        seed: of the head, the order, the crops and the intervals.
        head: ``"deeplab"`` or ``"fcn"``; see `SegmentationNet`.
        output_stride: pixels per cell of the last map.
        width: channels of the head.
        dropout: chance, in the head.
        auxiliary: weight of the auxiliary head's loss; 0 for none.
        steps: of the optimiser.
        batch_size: crops of all devices together; the set's size where that is smaller.
        crop_size: side of the crops in pixels, or height and width.
        scale: range of the random scale in training; see `SegmentPolicy`.
        short_side: of the training images in pixels; see `SegmentPolicy`.
        flip: chance of a horizontal flip in training.
        max_share: of one class in a training crop, at most.
        distort: whether the colours of training crops are distorted.
        learning_rate: of SGD with momentum 0.9.
        weight_decay: of every weight.
        head_rate: by what the learning rate of the heads is multiplied.
        schedule: ``"poly"`` (power 0.9) or ``"step"`` (tenths after 70 % and 90 %).
        test_short_side: at which images are tested, in pixels; see `Segmenter`.
        window: side of the windows of sliding evaluation, in pixels.
        window_step: from one window to the next, in pixels.
        test_batch_size: images at a time.
        channels_last: order in memory.
        accelerator: of Lightning's Trainer: ``"cpu"``, ``"gpu"``, ``"auto"``.
        devices: how many of them, or which.
        precision: e.g. ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"``.
        num_workers: processes that read.
        pictures: folder for ``segments.png``: the first test images, the truth and the predictions;
            ``None``: none.
        progress: called as ``progress(done, total)`` after each step.
        about: what the records say instead of what backbone and test set tell.
        predictions: a ``.npz`` file for ``image``, ``hits``, ``truth``, ``predicted`` and ``mIoU``
            of each test image, see `run_predictions`; ``None``: none.
        thumbnail: longer side in pixels of the few pictures that `predictions` keeps for a
            report; 0 for none.

    Returns:
        Mean IoU and pixel accuracy with an interval over the test images, then each class's IoU.

    Raises:
        ValueError: if an argument is out of range, the sets do not fit each other, the backbone
            cannot be dilated, or training diverged.

    Source:
        The task of Zhao et al. (2021) on Cityscapes; its full recipes are
        ``instdisc/cli/recipes/segmentation``. The defaults here are a short schedule of our own.

    Example:
        >>> from instdisc.data import SceneSegments, Scenes
        >>> scenes = SceneSegments(Scenes(4, image_size=32, num_categories=2))
        >>> records = segment(Backbone("test_resnet"), scenes, scenes, steps=1,
        ...     batch_size=2, crop_size=32, width=8, accelerator="cpu")
        >>> [record.metric for record in records][:2]
        ['mIoU', 'pixel accuracy']
    """
    start = time.perf_counter()
    checked(about)
    if predictions is not None:
        check_predictions(predictions)
    # Batch norm needs two.
    whole("batch_size", batch_size, at_least=2)
    if len(train) < 2:
        refuse("train", "of at least 2 images", len(train))
    watchers: list[Callback] = [StepTeller(progress)]
    if pictures is not None:
        watchers.append(SegmentationPictures(folder=pictures_folder(pictures)))
    with (
        isolate_rng(),
        quiet_trainer(accelerator, devices, precision, steps=steps, callbacks=watchers) as trainer,
    ):
        data = SegmentData(
            train,
            test,
            crop_size=crop_size,
            scale=scale,
            short_side=short_side,
            flip=flip,
            max_share=max_share,
            distort=distort,
            batch_size=batch_per_process(batch_size, trainer.world_size, images=len(train)),
            test_batch_size=test_batch_size,
            num_workers=num_workers,
            seed=seed,
        )
        torch.manual_seed(seed)
        segmenter = Segmenter(
            backbone,
            data.num_classes,
            head=head,
            output_stride=output_stride,
            width=width,
            dropout=dropout,
            auxiliary=auxiliary,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            head_rate=head_rate,
            schedule=schedule,
            test_short_side=test_short_side,
            window=window,
            window_step=window_step,
            channels_last=channels_last,
        )
        trainer.fit(segmenter, datamodule=data)
        trainer.validate(segmenter, datamodule=data, verbose=False)
    return run_records(
        segmenter,
        data,
        about,
        seconds=time.perf_counter() - start,
        predictions=predictions,
        thumbnail=thumbnail,
    )
