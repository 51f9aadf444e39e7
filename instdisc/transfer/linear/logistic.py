"""Linear evaluation of frozen features."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from instdisc.checks import checked_call
from instdisc.records import Run
from instdisc.types import About, Record

from ..features.extract import Features
from ..intervals import share_record
from ..labelled import check_table, check_widths, count_classes, labelled_features
from ..provenance import checked, former_keywords
from ..scores import save_classes


@former_keywords
@checked_call()
def evaluate_linear(
    train: Features,
    test: Features,
    *,
    seed: int = 0,
    strength: float = 0.01,
    max_iter: int = 200,
    about: About | None = None,
    predictions: str | Path | None = None,
) -> Record:
    """Top-1 accuracy of multinomial logistic regression on standardised features.

    Args:
        train: labelled features to fit.
        test: what is classified.
        seed: of the run, for the record.
        strength: inverse weight C of the squared norm of the coefficients.
        max_iter: at most so many L-BFGS iterations.
        about: what the record says instead of what the test features tell.
        predictions: a ``.npz`` file for ``image``, ``label``, ``prediction`` and ``confidence`` of
            each test image; ``None``: none.

    Returns:
        Top-1 in percent, with a 95 % interval over the test images.

    Raises:
        ValueError: if the training images show fewer than two known classes, no test image has a
            known class, a feature is not finite, or
            `strength` or `max_iter` is out of range.

    Source:
        A quick readout of our own choice: scikit-learn's L-BFGS at one regularisation for all
        backbones, no augmentation.

    Example:
        >>> import torch
        >>> some = Features(torch.eye(4), torch.tensor([0, 0, 1, 1]))
        >>> evaluate_linear(some, some, strength=1.0).value
        100.0
    """
    start = time.perf_counter()
    check_table(train, "train")
    check_table(test, "test")
    check_widths(train, test, ("train", "test"))
    num_classes = count_classes(train.labels, (), "train")
    trained = labelled_features(train, num_classes, "train")
    asked = labelled_features(test, num_classes, "test")
    # Here, since importing it takes half a second that a --help has no use for.
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(trained.features.numpy())
    model = LogisticRegression(C=strength, max_iter=max_iter, tol=1e-3)
    model.fit(scaler.transform(trained.features.numpy()), trained.labels.numpy())
    shares = torch.from_numpy(model.predict_proba(scaler.transform(asked.features.numpy())))
    confidences, places = shares.max(1)
    guesses = torch.from_numpy(model.classes_)[places]
    save_classes(predictions, asked.names, asked.labels, guesses, confidences)
    run = Run(
        test.about.update(checked(about)),
        seed,
        time.perf_counter() - start,
        {"C": strength, "max_iter": max_iter, "train": len(trained.labels)},
    )
    return share_record("linear", "top-1", guesses == asked.labels, run)
