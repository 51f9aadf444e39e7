"""Accuracy on the classes of pretraining beside few-shot accuracy on new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from instdisc.data import Episodes
from instdisc.types import Record

from ..features.extract import Features
from ..knn import evaluate_knn
from ..linear.logistic import evaluate_linear
from .frozen import Classifier, evaluate_few_shot


def evaluate_base_and_novel(
    base_train: Features,
    base_validation: Features,
    novel: Features,
    *,
    readout: Literal["linear", "knn"] = "linear",
    shots: Sequence[int] = (1, 5),
    episodes: int | Episodes = 600,
    classifier: Classifier = "logistic",
    dataset: str,
    method: str,
    checkpoint: str = "",
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> list[Record]:
    """The two numbers of a pretraining: what it knows, and what it can learn.

    Args:
        base_train: features of base-class images that pretraining saw.
        base_validation: of base-class images that it did not see; the same classes.
        novel: of images of other classes.
        readout: ``"linear"`` for `evaluate_linear` on the base classes, ``"knn"`` for
            `evaluate_knn`.
        shots: see `evaluate_few_shot`, like the next two; 5-way, 15 queries.
        episodes: how many, or a fixed list.
        classifier: of the novel classes.
        dataset: name for the records, to which " base" and " novel" are added.
        method: how the backbone was made, for the records.
        checkpoint: file of the backbone, for the records.
        seed: of the episodes.
        device: where the few-shot part computes.

    Returns:
        The base-class record, then one for each number of shots.

    Raises:
        ValueError: if `readout` is unknown; else as the parts.

    Source:
        Zhao et al. (2021), few-shot recognition on mini-ImageNet: images of the 64 base classes
        are split into training and validation, the 20 novel classes are the test's.

    Differs from it:
        The paper does not say with which ways, shots, head and episodes: these are a choice.

    Example:
        >>> labels = torch.arange(5).repeat(20)
        >>> some = Features(torch.eye(5)[labels], labels)
        >>> found = evaluate_base_and_novel(some, some, some, dataset="toy", method="identity")
        >>> [f"{record.dataset}: {record.metric}" for record in found]
        ['toy base: top-1', 'toy novel: 5-way 1-shot logistic', 'toy novel: 5-way 5-shot logistic']
    """
    if readout not in ("linear", "knn"):
        raise ValueError(f"`readout` must be 'linear' or 'knn', got {readout!r}")
    evaluate = evaluate_linear if readout == "linear" else evaluate_knn
    base = evaluate(
        base_train,
        base_validation,
        dataset=f"{dataset} base",
        method=method,
        checkpoint=checkpoint,
        seed=seed,
    )
    found = evaluate_few_shot(
        novel,
        shots=shots,
        episodes=episodes,
        classifier=classifier,
        dataset=f"{dataset} novel",
        method=method,
        checkpoint=checkpoint,
        seed=seed,
        device=device,
    )
    return [base, *found]
