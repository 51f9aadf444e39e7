"""Whether a detector can be trained on one set and tested on another: asked before it trains."""

from __future__ import annotations

import logging

import torch
from pytorch_lightning import Trainer

from instdisc.data import ImageSource, JoinedObjects, ObjectSource, ObjectSubset
from instdisc.data.objects.source import check_classes
from instdisc.distributed import rank

_log = logging.getLogger(__name__)


def check_sets(train: ObjectSource, test: ObjectSource) -> None:
    """Refuses sets that would train in vain; says once in the log what a result suffers from.

    The log names classes that are to be found and never trained on, and counts the images of
    `test` that are in `train`, too (by what their files hold).

    Args:
        train: the training set.
        test: the test set.

    Raises:
        ValueError: if both differ in their classes or in the order of these, `train` has no object
            but crowds, or `test` none that counts: neither crowd nor difficult.

    Example:
        >>> from instdisc.data import Scenes, SceneObjects
        >>> check_sets(*(SceneObjects(Scenes(8, image_size=32, split=s)) for s in ("train", "val")))
    """
    check_classes(train, test)
    trained = train.counts().trained
    if not trained.any():
        raise ValueError(
            f"`train` must have objects to train on, got none in the {len(train)} images of "
            f"{train.name!r}{_crowds(train)}. Annotate some, or take another set."
        )
    scored = check_test(test)
    if rank():
        return
    unseen = torch.nonzero((scored > 0) & (trained == 0))[:, 0].tolist()
    if unseen:
        _log.warning(
            "%s: %d classes are to be found here and never trained on in %s: %s",
            test.name,
            len(unseen),
            train.name,
            ", ".join(str(test.classes[label]) for label in unseen),
        )
    shared = _shared_images(train, test)
    if shared:
        _log.warning(
            "%d of the %d images to test on (%s) are trained on, too, first: %s",
            len(shared),
            len(test),
            test.name,
            test.image_ids[shared[0]],
        )


def check_test(test: ObjectSource) -> torch.Tensor:
    """The objects of each class that count in a test, ``(C,)`` int64.

    Raises:
        ValueError: if there is none: every number would be NaN.
    """
    scored = test.counts().scored
    if not scored.any():
        raise ValueError(
            f"`test` must have objects to find that are neither crowds nor difficult, got none in "
            f"the {len(test)} images of {test.name!r}: no number would come out. Annotate some, or "
            "take another set."
        )
    return scored


def truth_of(trainer: Trainer) -> ObjectSource:
    """What a detector is tested on: the ``test`` of the Trainer's data module.

    Raises:
        ValueError: if there is none.
    """
    source = getattr(getattr(trainer, "datamodule", None), "test", None)
    if not isinstance(source, ObjectSource):
        raise ValueError(
            "the Trainer must be given a `datamodule` whose `test` is an ObjectSource, such as "
            f"ObjectData: its objects are the truth. Its `test` is {source!r}."
        )
    return source


def choose_masks(train: ObjectSource, test: ObjectSource, masks: bool | None) -> bool:
    """Whether to predict masks.

    Args:
        train: the training set.
        test: the test set.
        masks: what was asked for; ``None``: if both sets have them. If only one has them, the log
            says so.

    Raises:
        ValueError: if it was asked for, and a set has none.
    """
    without = [source for source in (train, test) if not source.masks]
    if masks and without:
        raise ValueError(
            f"`masks` must be False for sets without masks, got True, and {without[0].name!r} has "
            "none. Open it with masks=True to hear which object lacks one."
        )
    if masks is None and len(without) == 1 and not rank():
        part = "train" if without[0] is train else "test"
        _log.warning("masks are not predicted: `%s` (%s) has none", part, without[0].name)
    return not without if masks is None else masks


def _crowds(source: ObjectSource) -> str:
    objects = any(len(source.objects(index).boxes) for index in range(len(source)))
    return " (crowds alone, which are not trained on)" if objects else ""


def _shared_images(train: ObjectSource, test: ObjectSource) -> list[int]:
    """Positions in `test` of images that `train` has too; none where it takes reading them all."""
    if _reads_pixels(train) or _reads_pixels(test):
        return []
    seen = {key.tobytes() for key in train.image_keys().keys}
    keys = test.image_keys().keys
    return [row for row, key in enumerate(keys) if key.tobytes() in seen]


def _reads_pixels(source: ObjectSource) -> bool:
    """Whether its keys are of pixels, for which every image is read."""
    if isinstance(source, ObjectSubset):
        return _reads_pixels(source.source)
    if isinstance(source, JoinedObjects):
        return any(_reads_pixels(part) for part in source.sources)
    return type(source).image_keys is ImageSource.image_keys
