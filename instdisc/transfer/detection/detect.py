"""Fine-tuning and test of a detector in one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from pytorch_lightning.utilities.seed import isolate_rng

from instdisc.checks import checked_call, count, whole
from instdisc.data import ObjectData, ObjectPolicy, ObjectSource
from instdisc.data.objects.policy import VOC_SHORT_SIDES
from instdisc.models import Backbone
from instdisc.predictions import check_predictions
from instdisc.types import About, Record

from ..provenance import checked, former_keywords
from ..thumbnails import THUMBNAIL, thumbnail_side
from ..training import StepTeller, batch_per_process, pictures_folder, quiet_trainer
from .evaluation import Protocol
from .export import export_detector
from .module import DetectionModule
from .norms import Norm
from .pictures import save_detection_pictures
from .proposals import ProposalCounts
from .recipe import VOC07_RECIPE, DetectionRecipe, check_recipe
from .records import run_records, tested
from .results import write_results
from .sets import choose_masks


@former_keywords
@checked_call(
    follow_batch=whole, precise_batches=count, longest_side=whole, thumbnail=thumbnail_side
)
def detect(
    backbone: Backbone,
    train: ObjectSource,
    test: ObjectSource,
    *,
    seed: int = 0,
    recipe: DetectionRecipe = VOC07_RECIPE,
    follow_batch: int | None = None,
    masks: bool | None = None,
    neck: Literal["c4", "fpn"] = "c4",
    norm: Norm = "sync",
    freeze_parts: int = 0,
    anchor_sizes: Sequence[float] | None = None,
    counts: ProposalCounts | None = None,
    regions_per_image: int = 512,
    weight_decay: float = 1e-4,
    precise_batches: int = 200,
    short_sides: Sequence[int] = VOC_SHORT_SIDES,
    longest_side: int = 1333,
    flip: float = 0.5,
    protocols: Sequence[Protocol] = ("coco",),
    accelerator: str = "auto",
    devices: int | str | list[int] = 1,
    precision: str = "32-true",
    num_workers: int = 0,
    folder: str | Path | None = None,
    pictures: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    about: About | None = None,
    predictions: str | Path | None = None,
    thumbnail: int = THUMBNAIL,
) -> list[Record]:
    """Fine-tunes a copy of a backbone as a detector, tests it, and returns the records.

    The defaults are the recipe of Zhao et al. (2021) for VOC07: R50-C4, all layers trained. Images
    are normalised and resized as the backbone was trained to see them.

    Args:
        backbone: where to start, a ResNet; it is not changed.
        train: the training set.
        test: the test set, of the same classes.
        seed: of the new layers, the order, the flips and the sizes.
        recipe: iterations, batch (of all devices together), learning rate, milestones, warm-up.
        follow_batch: another batch: rate, iterations, milestones and warm-up of `recipe` follow it
            by the linear rule. ``None`` takes `recipe` as it is.
        masks: whether to predict masks; ``None``: if both sets have them.
        neck: ``"c4"`` or ``"fpn"``; see `Detector`.
        norm: kind of batch norm, ``"sync"``, ``"plain"`` or ``"frozen"``; see `Detector`.
        freeze_parts: of the backbone that stay as they are.
        anchor_sizes: in pixels.
        counts: proposals to keep; the test of each image costs in proportion to the last.
        regions_per_image: that the losses see.
        weight_decay: of everything but norms.
        precise_batches: for precise batch norm before the test; 0 for none.
        short_sides: of the training images in pixels, to draw from; tests have the largest.
        longest_side: of all images at most.
        flip: chance of a horizontal flip in training.
        protocols: how to score, see `Evaluator`.
        accelerator: of Lightning's Trainer.
        devices: how many, or which.
        precision: e.g. ``"32-true"`` or ``"bf16-mixed"``.
        num_workers: processes that read.
        folder: where to save the detector (``detector.pt``) and its detections
            (``detections.json``), and ``pictures`` unless they have a folder of their own;
            ``None`` saves nothing.
        pictures: folder for eight test images, ``IMAGE_ID.png``: their objects left, what was
            found right; ``None``: see `folder`.
        progress: called as ``progress(done, total)`` after each iteration.
        about: what the records say instead of what backbone and test set tell.
        predictions: a ``.npz`` file for ``image``, ``boxes``, ``labels``, ``scores`` and, with
            masks, ``areas`` of all detections, see `run_predictions`; ``None``: none.
        thumbnail: longer side in pixels of the few pictures that `predictions` keeps for a
            report; 0 for none.

    Returns:
        AP, AP50, AP75 of each protocol with intervals over the test images, and the AP of each
        class; see `detection_records`.

    Raises:
        ValueError: if an argument is out of range, the sets do not fit each other or have nothing
            to train on or to find (`check_sets`, before it trains), the batch does not part over
            the devices, or training diverged.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> scenes = SceneObjects(Scenes(2, image_size=64))
        >>> records = detect(Backbone("test_resnet"), scenes, scenes,
        ...     recipe=DetectionRecipe(1, 2, 0.001, (), 0), masks=False, norm="plain",
        ...     precise_batches=1, short_sides=[64], regions_per_image=8,
        ...     accelerator="cpu")
        >>> records[0].metric
        'box AP'
    """
    start = time.perf_counter()
    checked(about)
    if predictions is not None:
        check_predictions(predictions)
    pictures = pictures_folder(pictures)
    recipe = DetectionRecipe(*recipe)._replace(milestones=tuple(recipe[3]))
    check_recipe(recipe)
    used = recipe if follow_batch is None else recipe.for_batch(follow_batch)
    masks = choose_masks(train, test, masks)
    # One epoch is the whole schedule; the test follows it.
    with (
        isolate_rng(),
        quiet_trainer(
            accelerator, devices, precision, epochs=1, callbacks=[StepTeller(progress)]
        ) as trainer,
    ):
        torch.manual_seed(seed)
        data = ObjectData(
            train,
            test,
            policy=ObjectPolicy(short_sides, longest_side, flip=flip),
            batch_size=batch_per_process(used.batch_size, trainer.world_size),
            iterations=used.iterations,
            num_workers=num_workers,
            seed=seed,
        )
        module = DetectionModule(
            backbone,
            len(train.classes),
            masks=masks,
            neck=neck,
            norm=norm,
            freeze_parts=freeze_parts,
            anchor_sizes=anchor_sizes,
            counts=counts,
            regions_per_image=regions_per_image,
            learning_rate=used.learning_rate,
            weight_decay=weight_decay,
            warmup=used.warmup,
            milestones=used.milestones,
            precise_batches=precise_batches,
            protocols=protocols,
        )
        trainer.fit(module, datamodule=data)
    if trainer.is_global_zero:
        if folder is not None:
            save_detection_run(module, data, folder, num_pictures=8 if pictures is None else 0)
        if pictures is not None:
            save_detection_pictures(tested(module).images, test, pictures)
    return run_records(
        module,
        data,
        about,
        seconds=time.perf_counter() - start,
        predictions=predictions,
        thumbnail=thumbnail,
    )


@checked_call(num_pictures=count)
def save_detection_run(
    module: DetectionModule, data: ObjectData, folder: str | Path, *, num_pictures: int = 8
) -> None:
    """Saves the detector and its detections of the last test.

    Args:
        module: after a test.
        data: what it was trained and tested on.
        folder: gets ``detector.pt``, ``detections.json`` and ``pictures``.
        num_pictures: at most so many.

    Raises:
        ValueError: if `module` was not tested.
    """
    result, folder = tested(module), Path(folder)
    export_detector(
        module.detector,
        folder / "detector.pt",
        classes=data.train.classes,
        category_ids=data.train.category_ids,
    )
    write_results(result.images, data.test, folder / "detections.json")
    if num_pictures:
        pictures = folder / "pictures"
        save_detection_pictures(result.images, data.test, pictures, num_images=num_pictures)
