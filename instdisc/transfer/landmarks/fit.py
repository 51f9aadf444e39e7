"""Landmarks with a backbone, from two sets of images to records."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from pytorch_lightning.utilities.seed import isolate_rng

from instdisc.checks import checked_call, refuse
from instdisc.data import LandmarkData, LandmarkSource
from instdisc.data.landmarks.dataset import Crop
from instdisc.data.landmarks.module import Augment
from instdisc.models import Backbone
from instdisc.predictions import check_predictions
from instdisc.types import About, Record

from ..provenance import checked, former_keywords
from ..thumbnails import THUMBNAIL, thumbnail_side
from ..training import StepTeller, batch_per_process, pictures_folder, quiet_trainer
from .module import Head, LandmarkModule
from .pictures import save_pictures
from .records import run_records
from .sets import check_sets


@former_keywords
@checked_call(thumbnail=thumbnail_side)
def fit_landmarks(
    backbone: Backbone,
    train: LandmarkSource,
    test: LandmarkSource,
    *,
    seed: int = 0,
    image_size: int | None = None,
    crop: Crop = "image",
    margin: float = 0.0,
    augment: Augment = "none",
    head: Head = "linear",
    grid: int = 1,
    hidden: int = 1024,
    frozen: bool = True,
    epochs: int = 120,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    backbone_learning_rate: float | None = None,
    weight_decay: float = 5e-4,
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
    """Trains a landmark head, tests it after the last epoch; nothing is selected on the test set.

    By default the backbone is frozen and sees each image once, without augmentation: the features
    are kept, and the head alone takes the epochs.

    Args:
        backbone: where to start; it is not changed.
        train: the training set.
        test: the test set, with the same points.
        seed: of the head, the order and the views.
        image_size: side of the views in pixels; ``None``: at which the backbone was trained. Their
            normalisation and interpolation are the backbone's.
        crop: around what views are cut; see `LandmarkData`.
        margin: added on each side of it, as a share of its long side; see `LandmarkData`.
        augment: of training views: ``"none"``, ``"weak"`` or ``"strong"``; see `LandmarkData`.
        head: ``"linear"``, ``"mlp"`` or ``"heatmap"``; see `LandmarkModule`.
        grid: cells per side that a regression head sees.
        hidden: width of the hidden layer of ``"mlp"``.
        frozen: whether the backbone stays as it is; else all of it trains.
        epochs: of the training.
        batch_size: of all devices together; one larger than the set becomes the set. Images that
            do not fill a batch wait for another epoch.
        learning_rate: of the head.
        backbone_learning_rate: ``None`` for a tenth of that.
        weight_decay: as Adam's L2 penalty.
        accelerator: of Lightning's Trainer.
        devices: how many, or which.
        precision: of the arithmetic.
        num_workers: processes that read.
        pictures: folder for ``landmarks.png``, some test images with true and found points, and
            ``curve.png``, the cumulative error curve; ``None``: none.
        progress: called as ``progress(done, total)`` after each step.
        about: what the records say instead of what backbone and test set tell.
        predictions: a ``.npz`` file for ``image``, ``points`` and ``error`` of each test image, see
            `run_predictions`; ``None``: none.
        thumbnail: longer side in pixels of the few pictures that `predictions` keeps for a
            report; 0 for none.

    Returns:
        The records of `landmark_records`: NME first.

    Raises:
        ValueError: if an argument is out of range, the sets do not fit each other, or training
            diverged.

    Source:
        cvl-umass/contrast-landmark for MAFL: Adam 1e-3, decay 5e-4, batch 32, cosine, 120 epochs,
        frozen features. Zhao et al. (2021) say neither head nor schedule; pooled features, a
        linear layer and no augmentation are our choice.

    Example:
        >>> from instdisc.data import Scenes, SceneLandmarks
        >>> points = SceneLandmarks(Scenes(12, image_size=32))
        >>> records = fit_landmarks(Backbone("test_resnet"), points, points,
        ...     image_size=32, crop="box", epochs=1, accelerator="cpu")
        >>> [record.metric for record in records]
        ['NME', 'failures above 8 %', 'failures above 10 %', 'AUC to 10 %']
    """
    start = time.perf_counter()
    checked(about)
    if predictions is not None:
        check_predictions(predictions)
    pictures = pictures_folder(pictures)
    if image_size is None:
        seen = backbone.input.size
        if not isinstance(seen, int):
            refuse("image_size", "given for a backbone whose views are no squares", seen)
        image_size = seen
    check_sets(train, test)
    with (
        isolate_rng(),
        quiet_trainer(
            accelerator, devices, precision, epochs=epochs, callbacks=[StepTeller(progress)]
        ) as trainer,
    ):
        torch.manual_seed(seed)
        data = LandmarkData(
            train,
            test,
            image_size=image_size,
            crop=crop,
            margin=margin,
            augment=augment,
            batch_size=batch_per_process(batch_size, trainer.world_size, images=len(train)),
            num_workers=num_workers,
            seed=seed,
        )
        module = LandmarkModule(
            backbone,
            train.layout,
            image_size=image_size,
            head=head,
            grid=grid,
            hidden=hidden,
            frozen=frozen,
            learning_rate=learning_rate,
            backbone_learning_rate=backbone_learning_rate,
            weight_decay=weight_decay,
        )
        if module.can_precompute(data):
            module.precompute(data, trainer.strategy.root_device)
        trainer.fit(module, datamodule=data)
    if pictures is not None and trainer.is_global_zero:
        save_pictures(module, data, pictures)
    return run_records(
        module,
        data,
        about,
        seconds=time.perf_counter() - start,
        predictions=predictions,
        thumbnail=thumbnail,
    )
