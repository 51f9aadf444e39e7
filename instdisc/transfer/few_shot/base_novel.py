"""Accuracy on the classes of pretraining beside few-shot accuracy on new ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from instdisc.checks import checked_call, whole
from instdisc.data import Episodes
from instdisc.types import About, Record

from ..features.extract import Features
from ..knn import evaluate_knn
from ..labelled import check_table, check_widths, count_classes, labelled_features
from ..linear.logistic import evaluate_linear
from ..provenance import checked, former_keywords
from .frozen import Classifier, evaluate_few_shot


@former_keywords
@checked_call(filled=["shots"], shots=whole, queries=whole)
def evaluate_base_and_novel(
    base_train: Features,
    base_validation: Features,
    novel: Features,
    *,
    readout: Literal["linear", "knn"] = "linear",
    shots: Sequence[int] = (1, 5),
    ways: int = 5,
    queries: int = 15,
    episodes: int | Episodes = 600,
    classifier: Classifier = "logistic",
    seed: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    predictions: str | Path | None = None,
) -> list[Record]:
    """The two numbers of a pretraining: what it knows, and what it can learn.

    Args:
        base_train: features of base-class images that pretraining saw.
        base_validation: of base-class images that it did not see; the same classes.
        novel: of images of other classes.
        readout: ``"linear"`` for `evaluate_linear` on the base classes, ``"knn"`` for
            `evaluate_knn`.
        shots: support images per class; a record for each number.
        ways: classes per episode.
        queries: test images per class.
        episodes: how many, or a fixed list.
        classifier: of the novel classes.
        seed: of the episodes.
        device: where the few-shot part computes.
        about: what the records say instead of what the features tell.
            " base" and " novel" are added to its data set.
        predictions: a ``.npz`` file for those of the episodes, see `evaluate_few_shot`; those of
            the base classes are in ``NAME_base.npz`` beside it.

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
        >>> records = evaluate_base_and_novel(some, some, some, about=About(dataset="toy"))
        >>> [f"{record.dataset}: {record.metric}" for record in records]
        ['toy base: top-1', 'toy novel: 5-way 1-shot logistic', 'toy novel: 5-way 5-shot logistic']
    """
    if readout not in ("linear", "knn"):
        raise ValueError(f"`readout` must be 'linear' or 'knn', got {readout!r}")
    evaluate = evaluate_linear if readout == "linear" else evaluate_knn
    check_table(base_train, "base_train")
    check_table(base_validation, "base_validation")
    check_widths(base_train, base_validation, ("base_train", "base_validation"))
    num_classes = count_classes(base_train.labels, (), "base_train")
    base_train = labelled_features(base_train, num_classes, "base_train")
    base_validation = labelled_features(base_validation, num_classes, "base_validation")
    whose, beside = novel.about.update(checked(about)), None
    if predictions is not None:
        path = Path(predictions)
        beside = path.with_name(f"{path.stem}_base{path.suffix}")
    base = evaluate(
        base_train,
        base_validation,
        seed=seed,
        about=whose._replace(dataset=f"{whose.dataset} base"),
        predictions=beside,
    )
    records = evaluate_few_shot(
        novel,
        shots=shots,
        ways=ways,
        queries=queries,
        episodes=episodes,
        classifier=classifier,
        seed=seed,
        device=device,
        about=whose._replace(dataset=f"{whose.dataset} novel"),
        predictions=predictions,
    )
    return [base, *records]
