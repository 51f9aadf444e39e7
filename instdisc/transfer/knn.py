"""kNN evaluation of frozen features."""

from __future__ import annotations

import time
from pathlib import Path

from instdisc.checks import checked_call
from instdisc.metrics import knn_scores
from instdisc.records import Run
from instdisc.types import About, Record

from .features.extract import Features
from .intervals import share_record
from .labelled import check_table, check_widths, count_classes, labelled_features
from .provenance import checked, former_keywords
from .scores import save_classes


@former_keywords
@checked_call()
def evaluate_knn(
    train: Features,
    test: Features,
    *,
    seed: int = 0,
    k: int = 20,
    temperature: float = 0.07,
    about: About | None = None,
    predictions: str | Path | None = None,
) -> Record:
    """Top-1 accuracy of weighted kNN.

    Args:
        train: the labelled bank.
        test: what is classified.
        seed: of the run, for the record.
        k: neighbours that vote.
        temperature: of their votes.
        about: what the record says instead of what the test features tell.
        predictions: a ``.npz`` file for ``image``, ``label``, ``prediction`` and
            ``confidence`` (share of the votes) of each test image; ``None``: none.

    Returns:
        Top-1 in percent, with a 95 % interval over the test images.

    Raises:
        ValueError: if a set has no image of known class, a label is outside the classes of
            `train`, a feature is not finite, or `k` or `temperature` is out of range.

    Example:
        >>> import torch
        >>> some = Features(torch.eye(3), torch.tensor([0, 1, 2]))
        >>> evaluate_knn(some, some).value
        100.0
    """
    start = time.perf_counter()
    check_table(train, "train")
    check_table(test, "test")
    check_widths(train, test, ("train", "test"))
    num_classes = count_classes(train.labels, (), "train")
    bank = labelled_features(train, num_classes, "train")
    asked = labelled_features(test, num_classes, "test")
    votes = knn_scores(
        asked.features,
        bank.features,
        bank.labels,
        num_classes=num_classes,
        k=k,
        temperature=temperature,
    )
    confidences, guesses = (votes / votes.sum(1, keepdim=True)).max(1)
    save_classes(predictions, asked.names, asked.labels, guesses, confidences)
    run = Run(
        test.about.update(checked(about)),
        seed,
        time.perf_counter() - start,
        {"k": k, "temperature": temperature, "bank": len(bank.labels)},
    )
    return share_record("knn", "top-1", guesses == asked.labels, run)
