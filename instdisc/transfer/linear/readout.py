"""Logistic regression on frozen features, its regularisation chosen on a validation set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from instdisc.checks import checked_call, positive, whole
from instdisc.records import Run
from instdisc.types import About, Record

from ..features.extract import Features
from ..labelled import check_table, check_widths, count_classes, labelled_features
from ..provenance import checked, former_keywords
from ..scores import score_records
from .regression import PENALTIES, fit_readout


@former_keywords
@checked_call(filled=["penalties"], penalties=positive, folds=whole)
def evaluate_readout(
    train: Features,
    test: Features,
    *,
    validation: Features | None = None,
    folds: int = 1,
    seed: int = 0,
    penalties: Sequence[float] = PENALTIES,
    tol: float = 1e-6,
    max_iter: int = 1000,
    device: str | torch.device = "cpu",
    together: bool | None = None,
    about: About | None = None,
    predictions: str | Path | None = None,
) -> list[Record]:
    """Multinomial logistic regression by L-BFGS, the best of 45 regularisers.

    Every penalty is solved on the training features, the one of the best validation top-1 is
    chosen (of equals the strongest), and the regression is solved once more on training and
    validation features together, along the same penalties down to the chosen one.

    Args:
        train: labelled features to fit; those of unknown class are left out, here and below.
        test: what is classified.
        validation: what the choice is made on; ``None`` for random images of `train`.
        folds: 1 for a random fifth; more for so many parts, each of which is left out once. A fifth
            of a few hundred images chooses by chance: of 630 images of 15 classes, 1e-5 or 0.1,
            and 43 or 49 % on the test set.
        seed: of the random images and of the intervals.
        penalties: weights of half the squared norm beside the sum of the losses; ``1 / C`` of
            scikit-learn.
        tol: largest value of the gradient of the mean objective at which a solution ends.
        max_iter: iterations for each penalty.
        device: where to compute, in float64.
        together: solve all penalties at once rather than one after another, each from the one
            before; ``None`` does so on any device but the CPU, where it is slower.
        about: what the records say instead of what the test features tell.
        predictions: a ``.npz`` file for what `score_records` keeps; ``None``: none.

    Returns:
        The records of `score_records`; their settings hold validation top-1, iterations and final
        gradient of every penalty. The temperature is fitted on the validation images with the
        chosen penalty's first solutions, which have not seen them.

    Raises:
        ValueError: if fewer than two classes are known in `train`, a set has no image of known
            class, a label is outside the classes of `train`, a feature is not finite, or a
            penalty, `tol`, `max_iter` or `folds` is not positive, or `folds` is above 1 beside a
            validation set.

    Source:
        Ericsson et al., "How Well Do Self-Supervised Models Transfer?" (2021): features as they
        are, 45 penalties from 1e-6 to 1e5, refit with the validation images. Differs from it:
        solved to `tol`, where 100 iterations of scikit-learn may end earlier; the validation set
        is a random fifth where the data set has none of its own; and the view is the one that the
        features were extracted with (ours: short side 256, centre 224), which the record names.

    Example:
        >>> features = torch.eye(4).repeat(5, 1)
        >>> some = Features(features, torch.tensor([0, 0, 1, 1]).repeat(5))
        >>> records = evaluate_readout(some, some)
        >>> records[0].value
        100.0
    """
    start = time.perf_counter()
    check_table(train, "train")
    check_table(test, "test")
    check_widths(train, test, ("train", "test"))
    num_classes = count_classes(train.labels, (), "train")
    test = labelled_features(test, num_classes, "test")
    readout = fit_readout(
        train,
        num_classes=num_classes,
        validation=validation,
        folds=folds,
        seed=seed,
        penalties=penalties,
        tol=tol,
        max_iter=max_iter,
        device=device,
        together=together,
    )
    return score_records(
        "readout",
        readout.logits(test.features),
        test.labels,
        Run(
            test.about.update(checked(about)),
            seed,
            time.perf_counter() - start,
            readout.settings,
            str(device),
        ),
        names=test.names,
        predictions=predictions,
        validation=readout.validation,
    )
