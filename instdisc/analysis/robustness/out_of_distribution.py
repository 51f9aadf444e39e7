"""Whether a classifier is less sure of what belongs to none of its classes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.metrics import draw_images, percentiles
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import (
    save_predictions,
)
from instdisc.transfer.intervals import RESAMPLES
from instdisc.transfer.provenance import checked
from instdisc.transfer.tuning import labelled_sets
from instdisc.types import About, Record

from .classifier import Classifier, Head
from .outliers import outlier_aupr, outlier_auroc
from .shifted_sets import match_classes, restrict_logits

_VALUES = 2**22  # resampled values at once


@checked_call()
def evaluate_out_of_distribution(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    outliers: ImageSource,
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
    """Whether low confidence gives away images of no class, as ImageNet-O tests.

    Args:
        backbone: see `evaluate_distribution_shift`.
        train: what a readout learns from.
        test: what belongs to the classes.
        outliers: what does not. If the classifier knows its class names, logits are restricted to
            them and the images of `test` to those classes (ImageNet-O: 200); images without
            labels, or of other names, are scored with all classes.
        head: see `evaluate_distribution_shift`.
        seed: of the readout and the intervals.
        image_size: side of a view.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        about: what the records say.
        arrays: a ``.npz`` file for ``confidence`` and ``outlier`` of each image, first those of
            `test`; ``None``: none.

    Returns:
        AUPR and AUROC in percent with bootstrap intervals over images and outliers; the settings
        hold the share of outliers, which is the AUPR of no skill.

    Raises:
        ValueError: see `evaluate_distribution_shift`.
        RuntimeError: if the backbone changed.

    Source:
        Hendrycks et al. (2021a): AUPR with the outliers as the positive class.

    Example:
        >>> from instdisc.data import ImageArray, Scenes
        >>> images = Scenes(40, image_size=32, num_categories=2)
        >>> pixels = torch.randint(256, (20, 3, 32, 32), dtype=torch.uint8)
        >>> noise = ImageArray(pixels, torch.full((20,), -1), name="noise")
        >>> records = evaluate_out_of_distribution(Backbone("test_resnet"), images, images, noise,
        ...     image_size=32)
        >>> [(record.metric, record.n) for record in records]
        [('AUPR', 60), ('AUROC', 60)]
    """
    start = time.perf_counter()
    train, test = labelled_sets(train, test)
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
    shared = set(train.classes) & set(outliers.classes)
    ids = (
        match_classes(outliers, train.classes).ids
        if shared
        else torch.arange(classifier.num_classes)
    )
    inside = test.subset(torch.isin(test.labels, ids).nonzero()[:, 0])
    confidences, sources = [], (inside, outliers)
    for images in sources:
        seen, logits = classifier.classify(images)
        confidences.append(restrict_logits(logits, ids).softmax(1).amax(1))
    confidence = torch.cat(confidences)
    outlier = torch.arange(len(confidence)) >= len(inside)
    save_predictions(arrays, {"confidence": confidence, "outlier": outlier})
    run = Run(
        seen.about._replace(dataset=outliers.name).update(checked(about)),
        seed,
        time.perf_counter() - start,
        {
            "classes": len(ids),
            "train": len(train),
            "inside": test.name,
            "share_of_outliers": len(outliers) / len(confidence),
        },
        str(device),
    )
    return [
        run.record(
            "out_of_distribution",
            metric,
            100 * float(statistic(confidence, outlier)),
            ends=_interval(statistic, confidence, outlier, seed),
            interval=(
                f"bootstrap over {len(inside)} images and {len(outliers)} outliers, "
                f"{RESAMPLES} resamples"
            ),
            n=len(confidence),
        )
        for metric, statistic in (("AUPR", outlier_aupr), ("AUROC", outlier_auroc))
    ]


def _interval(
    statistic: Callable[[Tensor, Tensor], Tensor],
    confidence: Tensor,
    outlier: Tensor,
    seed: int,
) -> tuple[float, float]:
    """In percent; images and outliers are drawn apart, so that their numbers stay."""
    first, second = int((~outlier).sum()), int(outlier.sum())
    at_once = _VALUES // len(outlier)
    values = []
    for rows, outside in zip(
        draw_images(first, RESAMPLES, seed, at_once=at_once),
        draw_images(second, RESAMPLES, seed + 1, at_once=at_once),
        strict=True,
    ):
        drawn = torch.cat([rows, first + outside], 1)
        values.append(statistic(confidence[drawn], outlier[drawn]))
    low, high = percentiles(torch.cat(values), 0.95)
    return 100 * low, 100 * high
