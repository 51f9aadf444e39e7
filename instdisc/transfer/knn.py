"""kNN evaluation of frozen features."""

from __future__ import annotations

import time

from instdisc.metrics import KNNAccuracy
from instdisc.types import Record

from .features.extract import Features
from .intervals import accuracy_record


def evaluate_knn(
    train: Features,
    test: Features,
    *,
    dataset: str,
    method: str,
    checkpoint: str = "",
    seed: int = 0,
    k: int = 20,
    temperature: float = 0.07,
) -> Record:
    """Top-1 accuracy of weighted kNN.

    Args:
        train: the labelled bank.
        test: what is classified.
        dataset: name for the record.
        method: how the backbone was made, for the record.
        checkpoint: file of the backbone, for the record.
        seed: of the run, for the record.
        k: neighbours that vote.
        temperature: of their votes.

    Returns:
        Top-1 in percent, with a 95 % interval over the test images.

    Raises:
        ValueError: if there are no labelled images.

    Example:
        >>> import torch
        >>> some = Features(torch.eye(3), torch.tensor([0, 1, 2]))
        >>> evaluate_knn(some, some, dataset="toy", method="identity").value
        100.0
    """
    start = time.perf_counter()
    metric = KNNAccuracy(k, temperature=temperature)
    metric.add_to_bank(*train)
    metric.update(*test)
    return accuracy_record(
        "knn",
        float(metric.compute()),
        int((test.labels >= 0).sum()),
        dataset=dataset,
        method=method,
        checkpoint=checkpoint,
        seed=seed,
        seconds=time.perf_counter() - start,
        settings={"k": k, "temperature": temperature, "bank": len(train.labels)},
    )
