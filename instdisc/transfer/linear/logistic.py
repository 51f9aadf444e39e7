"""Linear evaluation of frozen features."""

from __future__ import annotations

import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from instdisc.types import Record

from ..features.extract import Features
from ..intervals import accuracy_record


def evaluate_linear(
    train: Features,
    test: Features,
    *,
    dataset: str,
    method: str,
    checkpoint: str = "",
    seed: int = 0,
    strength: float = 0.01,
    max_iter: int = 200,
) -> Record:
    """Top-1 accuracy of multinomial logistic regression on standardised features.

    Args:
        train: labelled features to fit.
        test: what is classified.
        dataset: name for the record.
        method: how the backbone was made, for the record.
        checkpoint: file of the backbone, for the record.
        seed: of the run, for the record.
        strength: inverse weight C of the squared norm of the coefficients.
        max_iter: at most so many L-BFGS iterations.

    Returns:
        Top-1 in percent, with a 95 % interval over the test images.

    Raises:
        ValueError: if the training images show fewer than two known classes, or no test image
            has a known class.

    Source:
        A quick readout of our own choice: scikit-learn's L-BFGS at one regularisation for all
        backbones, no augmentation.

    Example:
        >>> import torch
        >>> some = Features(torch.eye(4), torch.tensor([0, 0, 1, 1]))
        >>> evaluate_linear(some, some, dataset="toy", method="identity", strength=1.0).value
        100.0
    """
    start = time.perf_counter()
    known, asked = train.labels >= 0, test.labels >= 0
    labels = train.labels[known].numpy()
    if len(np.unique(labels)) < 2:
        raise ValueError(
            f"`train` must show at least two known classes, got {len(np.unique(labels))}"
        )
    if not asked.any():
        raise ValueError(f"`test` must hold images of known class, got none in {len(test.labels)}")
    scaler = StandardScaler().fit(train.features[known].numpy())
    model = LogisticRegression(C=strength, max_iter=max_iter, tol=1e-3)
    model.fit(scaler.transform(train.features[known].numpy()), labels)
    predictions = model.predict(scaler.transform(test.features[asked].numpy()))
    return accuracy_record(
        "linear",
        float(np.mean(predictions == test.labels[asked].numpy())),
        int(asked.sum()),
        dataset=dataset,
        method=method,
        checkpoint=checkpoint,
        seed=seed,
        seconds=time.perf_counter() - start,
        settings={"C": strength, "max_iter": max_iter, "train": len(labels)},
    )
