"""What one view's distribution says of the others': the loss of self-distillation.

Legend: B images, K prototypes, V views of the student, T of the teacher.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc.checks import refuse

from .inputs import at_least_float32, check_features


def distillation_loss(logits: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    r"""The cross-entropy of each view under the teacher's distribution of each other view.

    .. math::
        L = \frac{1}{|\{(i, v): v \ne i\}|} \sum_{i < T} \sum_{v \ne i}
            \frac{1}{B} \sum_b H(q_{i b}, \mathrm{softmax}(s_{v b}))

    View i of the teacher is view i of the student, and that pair is left out: with 2 views of the
    teacher and 10 of the student there are 18 terms.

    Args:
        logits: V tensors ``(B, K)`` of the student, divided by its temperature.
        targets: T tensors ``(B, K)`` of the teacher, whose rows sum to 1; 1 to V of them.

    Returns:
        Scalar, float32 (float64 for float64 logits). The gradient flows to the logits, and to the
        targets if they have one. log K if the student is uniform.

    Raises:
        TypeError: if one is no sequence of float tensors.
        ValueError: if there are no two views of the student, no target or more of them than views,
            or the shapes differ.

    Source:
        Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (2021),
        equation 3.

    Example:
        >>> one_hot = torch.eye(2)
        >>> distillation_loss([torch.zeros(2, 2)] * 3, [one_hot, one_hot])  # log 2
        tensor(0.6931)
    """
    _check(logits, targets)
    with torch.autocast(logits[0].device.type, enabled=False):
        total, pairs = logits[0].new_zeros((), dtype=torch.float32), 0
        for view, scores in enumerate(logits):
            others = [target for other, target in enumerate(targets) if other != view]
            if others:
                # The cross-entropy is linear in the target.
                summed = sum(others[1:], start=others[0])
                total = total + F.cross_entropy(at_least_float32(scores), summed.to(scores))
                pairs += len(others)
        return total / pairs


def _check(logits: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    if isinstance(logits, Sequence) and len(logits) < 2:
        refuse("logits", "of at least 2 views", logits)
    for name, views in (("logits", logits), ("targets", targets)):
        if not isinstance(views, Sequence):
            refuse(name, "a sequence of tensors, one for each view", views, kind=TypeError)
        for number, view in enumerate(views):
            check_features(f"{name}[{number}]", view)
            if view.shape != logits[0].shape:
                rule = f"{tuple(logits[0].shape)} like `logits[0]`"
                refuse(f"{name}[{number}]", rule, view, "Row i of each view is of image i.")
    if not 1 <= len(targets) <= len(logits):
        refuse("targets", f"of 1 to {len(logits)} views, as many as `logits`", targets)
    if 0 in logits[0].shape:
        refuse("logits", "of at least 1 row and 1 prototype", logits[0])
