"""A classifier on frozen features, tested on images of another distribution.

Legend: N images, C classes, K classes of a shifted set.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import (
    confidence_records,
    save_predictions,
)
from instdisc.transfer.intervals import share_record
from instdisc.transfer.labelled import check_labels
from instdisc.transfer.provenance import checked
from instdisc.transfer.tuning import labelled_sets
from instdisc.types import About, Record

from .classifier import Classifier, Head
from .shifted_sets import match_classes, restrict_logits


@checked_call()
def evaluate_distribution_shift(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    shifted: Mapping[str, ImageSource],
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
    """Accuracy and calibration on shifted test sets, beside the accuracy on the usual one.

    Logits are restricted to the classes that a shifted set has, found by their names, on its own
    images and on those of the usual test set of the same classes.

    Args:
        backbone: frozen, or fine-tuned together with `head`; checked not to change.
        train: what a readout (`fit_readout`) learns from; with a `head` its class names alone are
            used.
        test: the usual test set, with the same classes.
        shifted: sets by the name that records call them, e.g. of `open_shifted`.
        head: from features ``(N, D)`` to logits ``(N, C)``, e.g. the classifier of a fine-tuned
            network; ``None``: a readout is fitted.
        seed: of the readout and the intervals.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        about: what the records say instead of what backbone and sets tell.
        arrays: a ``.npz`` file for ``NAME/image``, ``NAME/label``, ``NAME/prediction`` (both as the
            classifier counts) and ``NAME/confidence`` of each image of each shifted set; ``None``:
            none.

    Returns:
        For each shifted set, in percent and under its name: top-1 (Wilson's interval), the top-1
        on the usual images of the same classes, ECE, RMS calibration error and AURRA.

    Raises:
        ValueError: if there is no shifted set, the classifier knows fewer than two classes of one,
            `head` gives other logits, and as `evaluate_readout`.
        RuntimeError: if the backbone changed.

    Source:
        Hendrycks et al. (2021a): restricted logits, RMS calibration error, AURRA. Islam et al.
        (2021), an early version of their code, test their ImageNet heads so.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(40, image_size=32, num_categories=2)
        >>> records = evaluate_distribution_shift(Backbone("test_resnet"), images, images,
        ...     {"again": images}, image_size=32)
        >>> [record.metric for record in records]
        ['top-1', 'top-1, not shifted', 'ECE', 'RMS calibration error', 'AURRA']
    """
    if not isinstance(shifted, Mapping) or not shifted:
        checks.refuse("shifted", "a mapping of at least one name to images", shifted)
    for name, images in shifted.items():
        checks.instance(f"shifted[{name!r}]", images, ImageSource, "a set of images")
    start = time.perf_counter()
    train, test = labelled_sets(train, test)
    matched = {name: match_classes(images, train.classes) for name, images in shifted.items()}
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
    usual, usual_logits = classifier.classify(test)
    records: list[Record] = []
    columns: dict[str, Tensor | list[str]] = {}
    for name, images in shifted.items():
        ids, labels = matched[name]
        rows = check_labels(labels, len(ids), f"shifted[{name!r}]")
        seen, logits = classifier.classify(images.subset(rows))
        labels = labels[rows]
        probabilities = restrict_logits(logits, ids).softmax(1)
        confidences, guesses = probabilities.max(1)
        of_class = torch.isin(usual.labels, ids)
        hits = ids[restrict_logits(usual_logits, ids).argmax(1)][of_class] == usual.labels[of_class]
        run = Run(
            seen.about._replace(dataset=name).update(checked(about)),
            seed,
            time.perf_counter() - start,
            {"classes": len(ids), "train": len(train), "not_shifted": test.name},
            str(device),
        )
        records.append(share_record("distribution_shift", "top-1", guesses == labels, run))
        if len(hits):
            metric = "top-1, not shifted"
            records.append(share_record("distribution_shift", metric, hits, run))
        records += confidence_records("distribution_shift", confidences, guesses == labels, run)
        columns |= {
            f"{name}/image": list(seen.names),
            f"{name}/label": ids[labels],
            f"{name}/prediction": ids[guesses],
            f"{name}/confidence": confidences,
        }
    save_predictions(arrays, columns)
    return records
