"""A bank of any length counts like one of a certain length."""

from __future__ import annotations

import math

from torch import Tensor

from instdisc.checks import arguments, positive

from .contrastive import ContrastiveLoss


class EqCoLoss(ContrastiveLoss):
    r"""InfoNCE whose bank counts like one of `alpha` keys, so that short ones do.

    With K the number of bank keys that repel the query, every :math:`\exp(s_j)` has the factor
    :math:`\alpha / K`, which is a margin of :math:`T \log(\alpha / K)` on the own key:

    .. math::
        L_i = -\log \frac{\exp(s_+)}{\exp(s_+) + \frac{\alpha}{K} \sum_j \exp(s_j)}

    With as many keys as `alpha` it is `InstanceDiscriminationLoss`.

    Args:
        temperature: T; 0.2 in the code of the paper.
        alpha: positive; 256 in the code of the paper.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if one is not positive and finite.

    Source:
        Zhu et al., "EqCo: Equivalent Rules for Self-supervised Contrastive Learning" (2020).
        Differs from it: K is counted, also where a rule leaves keys out.

    Example:
        >>> import torch
        >>> from instdisc.types import Bank
        >>> query = torch.eye(2)[:1]
        >>> bank = Bank(torch.eye(2)[1:], torch.tensor([3]))
        >>> loss = EqCoLoss(1.0, alpha=10)
        >>> loss(query, query, bank, torch.tensor([5]))  # log(1 + 10 exp(0 - 1))
        tensor(1.5430)
    """

    def __init__(self, temperature: float, *, alpha: float = 256.0) -> None:
        arguments(EqCoLoss.__init__, locals(), alpha=positive)
        super().__init__(temperature)
        self.alpha = alpha

    def log_bank_sum(self, log_sum: Tensor, key_similarity: Tensor, num_keys: Tensor) -> Tensor:
        return log_sum + math.log(self.alpha) - num_keys.clamp(min=1).log()

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, alpha={self.alpha}"
