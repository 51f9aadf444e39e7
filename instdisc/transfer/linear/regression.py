"""A logistic regression on features whose regularisation is chosen on validation images.

Legend: N images, D width, C classes, S classes that were seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from instdisc.checks import checked_call, positive, refuse, whole
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
        validation: logits ``(M, C)`` and labels ``(M,)`` of the validation images by classifiers
            that were not trained on them: what a temperature is fitted on.
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


@checked_call(filled=["penalties"], penalties=positive, folds=whole)
def fit_readout(
    train: Features,
    *,
    num_classes: int | None = None,
    validation: Features | None = None,
    folds: int = 1,
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
        validation: what the penalty is chosen on; ``None`` for random images of `train`.
        folds: how many times; see `evaluate_readout`.
        seed: of the random images.
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
        splits, both = _splits(train, folds, seed), train
    elif folds > 1:
        refuse("folds", "1 where `validation` is given", folds)
    else:
        validation = labelled_features(validation, num_classes, "validation")
        splits, both = [(train, validation)], Features.join([train, validation])

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
    tried = [_Tried(*fit(kept, penalties), left, device) for kept, left in splits]
    labels = torch.cat([split.validation.labels for split in tried])
    scores = [
        100 * float(accuracy(torch.cat([split.guesses(row) for split in tried]), labels))
        for row in range(len(penalties))
    ]
    best = scores.index(max(scores))  # of equals the strongest
    # One after another from the strongest on, as they were tried: each starts from the one before,
    # and a weak penalty alone, from zero, would end elsewhere within `tol`.
    final, all_seen = fit(both, penalties[best:][:1] if together else penalties[: best + 1])
    unseen = [spread_logits(split.logits(best), split.seen, num_classes) for split in tried]
    iterations = torch.stack([split.path.iterations for split in tried]).sum(0)
    gradients = torch.stack([split.path.gradients for split in tried]).amax(0)
    table = zip(penalties, scores, iterations, gradients, strict=True)
    return Readout(
        final.weight[-1],
        final.bias[-1],
        all_seen,
        num_classes,
        (torch.cat(unseen), labels),
        {
            "penalty": penalties[best],
            "gradient": float(final.gradients[-1]),
            "tol": tol,
            "max_iter": max_iter,
            "folds": folds,
            "penalties": [
                {"penalty": p, "validation": s, "iterations": int(i), "gradient": float(g)}
                for p, s, i, g in table
            ],
            "train": len(both.labels),
            "validation": len(labels),
        },
    )


class _Tried(NamedTuple):
    """Every penalty on a part of the images, to be judged on another."""

    path: SoftmaxPath
    seen: Tensor
    validation: Features
    device: str | torch.device

    def logits(self, row: int) -> Tensor:
        """``(M, S)`` of the validation images by a penalty."""
        asked = self.validation.features.to(self.device).double()
        return asked @ self.path.weight[row].T + self.path.bias[row]

    def guesses(self, row: int) -> Tensor:
        """``(M,)`` classes."""
        return self.seen[self.logits(row).argmax(1).cpu()]


def spread_logits(logits: Tensor, seen: Tensor, num_classes: int) -> Tensor:
    """``(N, C)`` float32 on the CPU: those ``(N, S)`` of seen classes, far less at the others."""
    columns = logits.float().cpu()
    spread = torch.full((len(columns), num_classes), float(columns.min()) - _NEVER)
    spread[:, seen] = columns
    return spread


def _splits(images: Features, folds: int, seed: int) -> list[tuple[Features, Features]]:
    """A random fifth beside the others, or each of several parts of equal size beside the others.

    In the order of a random permutation the last fifth, or the parts from the last on.
    """
    count = len(images.labels)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    if folds == 1:
        ends = [count - max(1, round(_VALIDATED_ON * count)), count]
    else:
        if folds > count:
            refuse("folds", f"at most the {count} images", folds)
        ends = [round(part * count / folds) for part in range(folds + 1)]
    splits = []
    for begin, end in reversed(list(pairwise(ends))):
        kept = torch.cat([order[:begin], order[end:]])
        count_classes(images.labels[kept], (), "train")
        splits.append((images.rows(kept), images.rows(order[begin:end])))
    return splits
