"""Logistic regression on frozen features, its regularisation chosen on a validation set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from instdisc.metrics import accuracy
from instdisc.records import Run
from instdisc.types import About, Record

from ..features.extract import Features
from ..labelled import count_classes, labelled_features
from ..provenance import checked, former_keywords
from ..scores import score_records
from .softmax_path import SoftmaxPath, fit_softmax_path

PENALTIES = tuple(10.0 ** (-6 + 11 * i / 44) for i in range(45))
_VALIDATED_ON = 0.2  # share of the training images, where no validation set is given
_NEVER = 1e4  # so far below the others lie the logits of classes that were not seen


@former_keywords
def evaluate_readout(
    train: Features,
    test: Features,
    *,
    validation: Features | None = None,
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
    validation features together.

    Args:
        train: labelled features to fit; those of unknown class are left out, here and below.
        test: what is classified.
        validation: what the choice is made on; ``None`` for a random fifth of `train`.
        seed: of the random fifth and of the intervals.
        penalties: weights of half the squared norm beside the sum of the losses; ``1 / C`` of
            scikit-learn.
        tol: largest value of the gradient of the mean objective at which a solution ends.
        max_iter: iterations for each penalty.
        device: where to compute, in float64.
        together: solve all penalties at once rather than one after another, each from the one
            before; ``None`` does so on any device but the CPU, where it is slower.
        about: what the records say instead of what the test features tell.
        predictions: a ``.npz`` file for ``image``, ``label``, ``prediction`` and ``confidence`` of
            each test image; ``None``: none.

    Returns:
        Top-1, mean per class and ECE in percent with intervals; their settings hold validation
        top-1, iterations and final gradient of every penalty.

    Raises:
        ValueError: if fewer than two classes are known in `train`, a set has no image of known
            class, a label is outside the classes of `train`, a feature is not finite, or a
            penalty, `tol` or `max_iter` is not positive.

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
    if together is None:
        together = torch.device(device).type != "cpu"
    num_classes = count_classes(train.labels, (), "train")
    train = labelled_features(train, num_classes, "train")
    test = labelled_features(test, num_classes, "test")
    if validation is None:
        train, validation = _split(train, seed)
    else:
        validation = labelled_features(validation, num_classes, "validation")

    def fit(images: Features, chosen: Sequence[float]) -> tuple[SoftmaxPath, Tensor]:
        seen, labels = images.labels.unique(return_inverse=True)
        path = fit_softmax_path(
            images.features.to(device),
            labels.to(device),
            chosen,
            num_classes=len(seen),
            tol=tol,
            max_iter=max_iter,
            together=together,
        )
        return path, seen

    penalties = sorted(penalties, reverse=True)
    path, seen = fit(train, penalties)
    scores = []
    for weight, bias in zip(path.weight, path.bias, strict=True):
        logits = validation.features.to(device).double() @ weight.T + bias
        guesses = seen[logits.argmax(1).cpu()]
        scores.append(100 * float(accuracy(guesses, validation.labels)))
    best = scores.index(max(scores))  # of equals the strongest
    both = Features.join([train, validation])
    final, seen = fit(both, [penalties[best]])
    known = final.logits(test.features.to(device))[0].float().cpu()
    logits = torch.full((len(known), num_classes), float(known.min()) - _NEVER)
    logits[:, seen] = known
    table = zip(penalties, scores, path.iterations, path.gradients, strict=True)
    return score_records(
        "readout",
        logits,
        test.labels,
        Run(
            test.about.update(checked(about)),
            seed,
            time.perf_counter() - start,
            {
                "penalty": penalties[best],
                "gradient": float(final.gradients[0]),
                "tol": tol,
                "max_iter": max_iter,
                "penalties": [
                    {"penalty": p, "validation": s, "iterations": int(i), "gradient": float(g)}
                    for p, s, i, g in table
                ],
                "train": len(both.labels),
                "validation": len(validation.labels),
            },
            str(device),
        ),
        names=test.names,
        predictions=predictions,
    )


def _split(images: Features, seed: int) -> tuple[Features, Features]:
    """Four fifths and one fifth, at random."""
    count = len(images.labels)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    cut = count - max(1, round(_VALIDATED_ON * count))
    kept, left = order[:cut], order[cut:]
    count_classes(images.labels[kept], (), "train")
    return images.rows(kept), images.rows(left)
