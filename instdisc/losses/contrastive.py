"""The one contrastive loss that all others specialise.

Legend: B queries, K bank keys, D width.
"""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.checks import arguments, positive, refuse
from instdisc.types import UNKNOWN_LABEL, Bank

from .inputs import at_least_float32, check_inputs, check_labels
from .sweep import sweep
from .weights import Weights


class ContrastiveLoss(nn.Module):
    r"""Each query against its own key and a bank of stored keys; subclass it to choose which stored
    keys count how.

    With :math:`s_j = q_i \cdot k_j / T` the similarity of query i and key j,

    .. math::
        L_i = \frac{1}{|P_i|} \sum_{p \in P_i} -\log \frac{\exp(s_p)}{\sum_{j \in D_i} \exp(s_j)},
        \qquad L = \frac{1}{B} \sum_i L_i

    where the positives :math:`P_i` are the query's own key and the bank keys that `positives`
    marks, and the denominator :math:`D_i` holds :math:`P_i` and the bank keys that `negatives`
    marks. A key that neither marks is ignored. `weights` gives factors :math:`w_{ij}` to the
    :math:`\exp(s_j)` of the bank keys in the denominator, and `log_bank_sum` changes their sum. A
    subclass overrides one or several of these methods, and nothing else.

    The similarities and the softmax are computed in float32 (float64 for float64 inputs), under
    autocast too.

    Attributes:
        weights_have_gradient: whether the gradient flows through the similarities into the weights,
            or takes the weights for constants. A class attribute, like the next.
        weights_are_relative: whether the weights of a query are divided by their mean over the bank
            keys in its denominator, so that only their ratios count.

    Args:
        temperature: T, positive. Unit vectors are expected, so similarities lie in [-1 / T, 1 / T].

    Raises:
        TypeError: if `temperature` is no number.
        ValueError: if it is not positive and finite.

    Example:
        >>> loss = ContrastiveLoss(temperature=0.5)
        >>> query = key = torch.tensor([[1.0, 0.0]])
        >>> bank = Bank(torch.tensor([[0.0, 1.0]]), torch.tensor([3]))
        >>> loss(query, key, bank, torch.tensor([3]))  # log(1 + exp(0 - 2))
        tensor(0.1269)
    """

    weights_have_gradient: ClassVar[bool] = False
    weights_are_relative: ClassVar[bool] = False

    def __init__(self, temperature: float) -> None:
        super().__init__()
        arguments(ContrastiveLoss.__init__, locals(), temperature=positive)
        self.temperature = temperature

    def positives(self, labels: Tensor, bank_labels: Tensor) -> Tensor | None:
        """Which bank keys attract each query.

        It may be called on any slice of the queries and of the bank, or once on each class that is
        in the bank, so it must look at the labels alone.

        Args:
            labels: ``(B,)`` int64; ``-1`` where the class is unknown.
            bank_labels: ``(K,)`` int64; ``-1`` where the class is unknown.

        Returns:
            ``(B, K)`` bool, or ``None`` for none: the query's own key is its only positive.
        """
        return None

    def negatives(self, labels: Tensor, bank_labels: Tensor) -> Tensor | None:
        """Which bank keys repel each query; arguments as in `positives`.

        Returns:
            ``(B, K)`` bool, or ``None`` for every bank key.
        """
        return None

    def weights(self, similarities: Tensor, labels: Tensor, bank_labels: Tensor) -> Tensor | None:
        """The factors of exp(s_j) in the denominator; the own key's is always 1.

        It may be called on any slice of the queries and of the bank, so each factor must follow
        from its own similarity and two labels alone.

        Args:
            similarities: ``(B, K)``, s_j = q_i . k_j / T, float32 or float64.
            labels: ``(B,)`` int64; ``-1`` where the class is unknown.
            bank_labels: ``(K,)`` int64; ``-1`` where the class is unknown.

        Returns:
            ``(B, K)`` of at least 0, in the dtype of `similarities`; or ``None``, whatever the
            arguments, for 1.
        """
        return None

    def log_weights(
        self, similarities: Tensor, labels: Tensor, bank_labels: Tensor
    ) -> Tensor | None:
        """The natural logarithm of `weights`, for factors too large or small for a float32.

        Override this instead of `weights` where they are exponentials; arguments as there.

        Returns:
            ``(B, K)``, ``-inf`` for a factor of 0; or ``None``, whatever the arguments, for 0.
        """
        weights = self.weights(similarities, labels, bank_labels)
        if weights is None:
            return None
        is_zero = weights == 0  # where the derivative of a logarithm is not 0 but nan
        return weights.masked_fill(is_zero, 1.0).log().masked_fill(is_zero, -torch.inf)

    def log_bank_sum(self, log_sum: Tensor, key_similarity: Tensor, num_keys: Tensor) -> Tensor:
        """What the bank adds to the denominator; it needs the own key, so ``key=None`` is refused.

        Args:
            log_sum: ``(B,)``, log of the sum of w_ij exp(s_j) over the bank keys in D_i; ``-inf``
                where there is none.
            key_similarity: ``(B,)``, the similarity of the own key, as s_j.
            num_keys: ``(B,)``, how many bank keys are in D_i, in the dtype of the others.

        Returns:
            ``(B,)``, the logarithm of what stands in the place of that sum, differentiable.
        """
        return log_sum

    @final  # type: ignore[misc]  # torch declares forward as an attribute
    def forward(self, query: Tensor, key: Tensor | None, bank: Bank, labels: Tensor) -> Tensor:
        """The mean loss of the queries.

        Args:
            query: ``(B, D)`` rows of unit length.
            key: ``(B, D)`` rows of unit length, the own key of each query; ``None`` if the bank
                holds it already and `positives` marks it. Then a query without any positive adds 0.
            bank: stored keys; nothing flows back into them.
            labels: ``(B,)`` int64 classes of the queries; ``-1`` where unknown.

        Returns:
            Scalar, float32 (float64 for float64 queries).

        Raises:
            TypeError: if features are no float tensors, labels no whole ones, or `bank` no `Bank`.
            ValueError: if the shapes do not fit each other, there are no queries, or there is no
                `key` though the class overrides `log_bank_sum`.
        """
        check_inputs(query, key, bank, labels)
        with torch.autocast(query.device.type, enabled=False):
            query = at_least_float32(query)
            changes_sum = overrides(self, "log_bank_sum")
            if key is None and changes_sum:
                rule = f"a tensor, for {type(self).__name__} has a `log_bank_sum`"
                refuse("key", rule, key, "Give the own keys, and a bank that lacks them.")
            total, positive_sum, count, num_keys = sweep(
                query,
                bank,
                labels=labels,
                temperature=self.temperature,
                positives=self.positives,
                negatives=self.negatives,
                weights=weights_of(self, labels),
                counts_keys=changes_sum,
            )
            if key is None:
                return self._of_stored(query, total, positive_sum, count)
            key_similarity = (query * key.to(query.dtype)).sum(1) / self.temperature  # (B,)
            if num_keys is not None:
                total = self.log_bank_sum(total, key_similarity, num_keys)
            # log(exp(total) + exp(own)) - own. Beyond the threshold softplus(x) is x, in float64
            # exactly, too.
            gap = F.softplus(total - key_similarity, threshold=40)  # (B,)
            if positive_sum is None or count is None:
                return gap.mean()
            attraction = (query * positive_sum).sum(1) / self.temperature  # (B,) sum of s_p
            return (key_similarity + gap - (key_similarity + attraction) / (count + 1)).mean()

    def _of_stored(
        self, query: Tensor, total: Tensor, positive_sum: Tensor | None, count: Tensor | None
    ) -> Tensor:
        """The loss where the own key is in the bank; arguments as `BankTerms`."""
        if positive_sum is None or count is None:  # nothing attracts any query
            return query.sum() * 0.0
        attraction = (query * positive_sum).sum(1) / self.temperature  # (B,) sum of s_p
        # A query without positives has no term; its total may be -inf and must not reach the mean.
        total = torch.where(count > 0, total, 0.0)
        return (total - attraction / count.clamp(min=1)).mean()

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}"


def same_class(labels: Tensor, bank_labels: Tensor) -> Tensor:
    """Which bank keys are known to be of the query's class.

    Args:
        labels: ``(B,)`` int64.
        bank_labels: ``(K,)`` int64.

    Returns:
        ``(B, K)`` bool; an unknown class (``-1``) equals no class, not even another unknown one.

    Raises:
        TypeError: if the labels are no tensors of whole numbers.
        ValueError: if they have another shape.

    Example:
        >>> same_class(torch.tensor([1, -1]), torch.tensor([1, 2, -1]))
        tensor([[ True, False, False],
                [False, False, False]])
    """
    for name, value in (("labels", labels), ("bank_labels", bank_labels)):
        check_labels(name, value)
    # A query of unknown class gets a label that no key has: one comparison per pair, no more.
    labels = labels.masked_fill(labels == UNKNOWN_LABEL, torch.iinfo(labels.dtype).min)
    return labels[:, None] == bank_labels[None, :]


def weights_of(loss: ContrastiveLoss, labels: Tensor) -> Weights | None:
    """The weights of a loss for queries ``(B,)`` of these labels; ``None`` if its class has none.

    Example:
        >>> weights_of(ContrastiveLoss(0.1), torch.tensor([0])) is None
        True
    """
    if not (overrides(loss, "weights") or overrides(loss, "log_weights")):
        return None
    return Weights(labels, loss.log_weights, loss.weights_have_gradient, loss.weights_are_relative)


def overrides(loss: ContrastiveLoss, name: str) -> bool:
    """Whether the class of a loss has a method of its own of this name."""
    return getattr(type(loss), name) is not getattr(ContrastiveLoss, name)
