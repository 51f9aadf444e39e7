"""The official files of ImageNet-C: their layout, and errors on them.

Legend: K corruptions, S severities.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageFolder, ImageSource
from instdisc.data.catalog.layout import class_folders
from instdisc.data.left_out import say_once
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import (
    bootstrap_records,
    save_predictions,
)
from instdisc.transfer.labelled import check_labels
from instdisc.transfer.provenance import checked
from instdisc.types import About, Record

from .classifier import Classifier, Head
from .mean_corruption_error import ALEXNET_ERRORS, corruption_errors, mce
from .shifted_sets import match_classes, restrict_logits
from .strengths import SEVERITIES


@checked_call()
def open_imagenet_c(root: str | Path) -> dict[str, list[ImageFolder]]:
    """The images of each corruption at severities 1 to 5: ``CORRUPTION/SEVERITY/WNID/*.JPEG``.

    Args:
        root: the folder that holds the corruptions' folders. Those that are missing are
            logged once; other folders, such as the four extra corruptions, are passed over.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it holds none of the corruptions, a severity is missing, or the severities
            have other classes than the first.

    Example:
        >>> open_imagenet_c("nowhere")
        Traceback (most recent call last):
        FileNotFoundError: `root` must be the folder of ImageNet-C, got 'nowhere'
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"`root` must be the folder of ImageNet-C, got {str(root)!r}")
    there = [name for name in ALEXNET_ERRORS if (root / name).is_dir()]
    if not there:
        checks.refuse(
            "root",
            "a folder with a folder for each corruption",
            str(root),
            f"None of {', '.join(ALEXNET_ERRORS)} is there.",
        )
    missing = [name for name in ALEXNET_ERRORS if name not in there]
    if missing:
        say_once(f"{root}: {len(missing)} corruptions are not there: {', '.join(missing)}")
    sets: dict[str, list[ImageFolder]] = {}
    expected: list[str] = []
    for name in there:
        places = [root / name / str(severity) for severity in SEVERITIES]
        absent = [place for place in places if not place.is_dir()]
        if absent:
            checks.refuse("root", "a folder with all five severities", str(absent[0]), "Missing.")
        for place in places:
            expected = expected or class_folders(place)
            if class_folders(place) != expected:
                checks.refuse("root", "of the same class folders everywhere", str(place))
        sets[name] = [ImageFolder(place) for place in places]
    return sets


@checked_call()
def evaluate_imagenet_c(
    backbone: Backbone,
    train: ImageSource,
    root: str | Path,
    *,
    head: Head | None = None,
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """Errors on the official files of ImageNet-C, and the mCE.

    The files hold views of 224 px that need no further crop: with `image_size` 224 a backbone of
    the usual crop sees their middle; published numbers do, too, or take them whole.

    Args:
        backbone: see `evaluate_distribution_shift`, like `head`.
        train: what a readout learns from; its classes are found by their names.
        root: see `open_imagenet_c`.
        head: from features to logits; ``None``: a readout is fitted.
        seed: of the readout and the intervals.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        about: what the records say.
        arrays: a ``.npz`` file for ``corruption`` (K,), ``severity`` (S,) and ``error`` (K, S),
            shares; ``None``: none.

    Returns:
        The error of each corruption over all its severities with a bootstrap interval over its
        images, their plain mean, and the mCE, in percent and without interval: as ``"mCE"`` if all
        fifteen corruptions and 1,000 classes are there, else as e.g. ``"mCE of 3 corruptions, 100
        classes"``, for it is then not the published number.

    Raises:
        FileNotFoundError, ValueError: see `open_imagenet_c` and `evaluate_distribution_shift`.
        RuntimeError: if the backbone changed.

    Source:
        Hendrycks and Dietterich (2019).
    """
    start = time.perf_counter()
    sets = open_imagenet_c(root)
    ids = match_classes(next(iter(sets.values()))[0], train.classes).ids
    classifier = Classifier(
        backbone,
        train,
        head=head,
        seed=seed,
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
    )
    wrong: dict[str, list[Tensor]] = {}
    for corruption, severities in sets.items():
        wrong[corruption] = []
        for images in severities:
            labels = match_classes(images, train.classes).labels
            rows = check_labels(labels, len(ids), corruption)
            seen, logits = classifier.classify(images.subset(rows))
            logits = restrict_logits(logits, ids)
            wrong[corruption].append((logits.argmax(1) != labels[rows]).double())
    errors = {name: [float(each.mean()) for each in parts] for name, parts in wrong.items()}
    save_predictions(
        arrays,
        {
            "corruption": list(errors),
            "severity": torch.tensor(SEVERITIES),
            "error": torch.tensor(list(errors.values()), dtype=torch.float64),
        },
    )
    run = Run(
        seen.about._replace(dataset="imagenet_c").update(checked(about)),
        seed,
        time.perf_counter() - start,
        {"classes": len(ids), "train": len(train)},
        str(device),
    )
    ratios = corruption_errors(errors)
    records = []
    for name, parts in wrong.items():
        more = {"errors": [100 * error for error in errors[name]], "to_alexnet": ratios[name]}
        records += bootstrap_records(
            "imagenet_c",
            {f"error, {name}": lambda each: each.mean(1)},
            [torch.cat(parts)],
            run._replace(settings={**run.settings, **more}),
            lower=[f"error, {name}"],
        )
    plain = sum(record.value for record in records) / len(records)
    for metric, value in (
        ("mean corruption error", plain),
        (_mce_name(len(errors), len(ids)), 100 * mce(errors)),
    ):
        records.append(
            run.record(
                "imagenet_c",
                metric,
                value,
                n=sum(len(part) for parts in wrong.values() for part in parts),
                higher_is_better=False,
            )
        )
    return records


def _mce_name(num_corruptions: int, num_classes: int) -> str:
    if num_corruptions == len(ALEXNET_ERRORS) and num_classes == 1000:
        return "mCE"
    return f"mCE of {num_corruptions} corruptions, {num_classes} classes"
