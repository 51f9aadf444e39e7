"""The formula of `ContrastiveLoss` as it is written.

Legend: B queries, K bank keys, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc.losses import ContrastiveLoss
from instdisc.types import Bank


def naive_loss(
    loss: ContrastiveLoss, query: Tensor, key: Tensor | None, bank: Bank, labels: Tensor
) -> float:
    """The formula of `ContrastiveLoss`, one pair at a time, in double precision."""
    return float(naive_value(loss, query.detach(), key, bank, labels))


def naive_value(
    loss: ContrastiveLoss, query: Tensor, key: Tensor | None, bank: Bank, labels: Tensor
) -> Tensor:
    """The same as a float64 scalar, differentiable as the loss must be.

    Arguments as `ContrastiveLoss.forward`.
    """
    terms = []
    for i in range(len(query)):
        positives, similarities, logs = [], [], []
        for j, stored in enumerate(bank.features.detach()):
            s = query[i].double() @ stored.double() / loss.temperature
            pair = labels[i : i + 1], bank.labels[j : j + 1]
            is_positive, is_negative = loss.positives(*pair), loss.negatives(*pair)
            if is_positive is not None and bool(is_positive):
                positives.append(s)
            elif not (is_negative is None or bool(is_negative)):
                continue
            seen = s if loss.weights_have_gradient else s.detach()
            log_weight = loss.log_weights(seen.view(1, 1), *pair)
            similarities.append(s)
            logs.append(s.detach() * 0 if log_weight is None else log_weight.view(()))
        sums = [_log_bank_sum(loss, similarities, logs)]
        if key is not None:
            key_similarity = query[i].double() @ key[i].double() / loss.temperature
            num_keys = torch.tensor([float(len(logs))]).to(key_similarity)
            total = loss.log_bank_sum(sums[0].view(1), key_similarity.view(1), num_keys)
            sums = [total.view(()), key_similarity]
            positives.append(key_similarity)
        # A query without positives adds 0, with a gradient of 0.
        terms.append(query[i].double().sum() * 0)
        if positives:
            total = torch.stack([each for each in sums if each > -torch.inf]).logsumexp(0)
            terms[-1] = total - torch.stack(positives).mean()
    return torch.stack(terms).mean()


def _log_bank_sum(loss: ContrastiveLoss, similarities: list[Tensor], logs: list[Tensor]) -> Tensor:
    counted = [(s, log) for s, log in zip(similarities, logs, strict=True) if log > -torch.inf]
    if not counted:
        return torch.tensor(-torch.inf, dtype=torch.float64)
    log_sum = torch.stack([s + log for s, log in counted]).logsumexp(0)
    if not loss.weights_are_relative:
        return log_sum
    log_weight = torch.stack([log for _, log in counted]).logsumexp(0)
    return log_sum - log_weight + torch.tensor(float(len(logs))).log()
