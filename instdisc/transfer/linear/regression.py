"""A logistic regression on features whose regularisation is chosen on validation images.

Legend: N images, D width, C classes, S classes that were seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from instdisc.checks import checked_call, positive
from instdisc.metrics import accuracy

from ..features.extract import Features
from ..labelled import check_table, check_widths, count_classes, labelled_features
from .softmax_path import SoftmaxPath, fit_softmax_path

PENALTIES = tuple(10.0 ** (-6 + 11 * i / 44) for i in range(45))
_VALIDATED_ON = 0.2  # share of the training images, where no validation set is given
_NEVER = 1e4  # so far below the others lie the logits of classes that were not seen


@checked_call()
class Readout(NamedTuple):
    """A fitted classifier.

    Attributes:
        weight: ``(S, D)`` float64.
        bias: ``(S,)`` float64.
        seen: ``(S,)`` int64 the classes that were trained on.
        num_classes: C.
        validation: logits ``(M, C)`` and labels ``(M,)`` of the validation images by the
            classifier that was not trained on them: what a temperature is fitted on.
        settings: how it was fitted; JSON values.
    """

    weight: Tensor
    bias: Tensor
    seen: Tensor
    num_classes: int
    validation: tuple[Tensor, Tensor]
    settings: Mapping[str, Any]

    def logits(self, features: Tensor) -> Tensor:
        """``(N, C)`` float32 logits on the CPU of features ``(N, D)``."""
        logits = features.to(self.weight.device).double() @ self.weight.T + self.bias
        return spread_logits(logits, self.seen, self.num_classes)


@checked_call(filled=["penalties"], penalties=positive)
def fit_readout(
    train: Features,
    *,
    num_classes: int | None = None,
    validation: Features | None = None,
    seed: int = 0,
    penalties: Sequence[float] = PENALTIES,
    tol: float = 1e-6,
    max_iter: int = 1000,
    device: str | torch.device = "cpu",
    together: bool | None = None,
) -> Readout:
    """Fits the classifier of `evaluate_readout`, which see.

    Args:
        train: labelled features; those of unknown class are left out.
        num_classes: C; ``None`` for those seen.
        validation: what the penalty is chosen on; ``None`` for a random fifth of `train`.
        seed: of the random fifth.
        penalties: strengths of regularisation to choose from; see `evaluate_readout`.
        tol: where a solution ends.
        max_iter: iterations for each penalty.
        device: where to compute.
        together: solve all penalties at once.

    Raises:
        ValueError: see `evaluate_readout`.

    Example:
        >>> some = Features(torch.eye(4).repeat(5, 1), torch.tensor([0, 0, 1, 1]).repeat(5))
        >>> fit_readout(some).logits(torch.eye(4)).argmax(1)
        tensor([0, 0, 1, 1])
    """
    if together is None:
        together = torch.device(device).type != "cpu"
    check_table(train, "train")
    if validation is not None:
        check_table(validation, "validation")
        check_widths(train, validation, ("train", "validation"))
    if num_classes is None:
        num_classes = count_classes(train.labels, (), "train")
    train = labelled_features(train, num_classes, "train")
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
    asked = validation.features.to(device).double()
    scores = []
    for weight, bias in zip(path.weight, path.bias, strict=True):
        guesses = seen[(asked @ weight.T + bias).argmax(1).cpu()]
        scores.append(100 * float(accuracy(guesses, validation.labels)))
    best = scores.index(max(scores))  # of equals the strongest
    unseen = asked @ path.weight[best].T + path.bias[best]
    both = Features.join([train, validation])
    final, all_seen = fit(both, [penalties[best]])
    table = zip(penalties, scores, path.iterations, path.gradients, strict=True)
    return Readout(
        final.weight[0],
        final.bias[0],
        all_seen,
        num_classes,
        (spread_logits(unseen, seen, num_classes), validation.labels),
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
    )


def spread_logits(logits: Tensor, seen: Tensor, num_classes: int) -> Tensor:
    """``(N, C)`` float32 on the CPU: those ``(N, S)`` of seen classes, far less at the others."""
    columns = logits.float().cpu()
    spread = torch.full((len(columns), num_classes), float(columns.min()) - _NEVER)
    spread[:, seen] = columns
    return spread


def _split(images: Features, seed: int) -> tuple[Features, Features]:
    """Four fifths and one fifth, at random."""
    count = len(images.labels)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    cut = count - max(1, round(_VALIDATED_ON * count))
    kept, left = order[:cut], order[cut:]
    count_classes(images.labels[kept], (), "train")
    return images.rows(kept), images.rows(left)
