"""`check_loss` must catch what breaks the contract."""

import pytest
import torch
from torch import nn

from instdisc.losses import ContrastiveLoss, HardNegativeLoss, same_class
from instdisc.testing import check_loss


class OverridesForward(ContrastiveLoss):
    def forward(self, query, key, bank, labels):  # type: ignore[misc]
        return (query * key).sum()


class Stateful(ContrastiveLoss):
    calls = 0

    def negatives(self, labels, bank_labels):
        self.calls += 1


class PrefersClassZero(ContrastiveLoss):
    def negatives(self, labels, bank_labels):
        return (bank_labels == 0)[None, :].expand(len(labels), -1)


class LooksAtPosition(ContrastiveLoss):
    def negatives(self, labels, bank_labels):
        newest = torch.arange(len(bank_labels)) < len(bank_labels) // 2
        return newest[None, :].expand(len(labels), -1)


class LooksAtTheWholeBank(ContrastiveLoss):
    def negatives(self, labels, bank_labels):
        commonest = bank_labels.mode().values
        return (labels[:, None] != bank_labels) | (bank_labels == commonest)


class LooksAtOtherQueries(ContrastiveLoss):
    def positives(self, labels, bank_labels):
        return same_class(labels, bank_labels) & (labels == labels.max())[:, None]


class KeepsAMaskOfTheBank(ContrastiveLoss):
    def negatives(self, labels, bank_labels):
        return torch.ones(6, 20, dtype=torch.bool)


class FloatMask(ContrastiveLoss):
    def positives(self, labels, bank_labels):
        return same_class(labels, bank_labels).float()


class NegativeWeights(ContrastiveLoss):
    def weights(self, similarities, labels, bank_labels):
        return similarities


class WeightsOfTheWholeBank(ContrastiveLoss):
    def weights(self, similarities, labels, bank_labels):
        return similarities.softmax(1)


class WeightsOfAllQueries(ContrastiveLoss):
    def log_weights(self, similarities, labels, bank_labels):
        return similarities - similarities.mean()


class DoubleWeights(ContrastiveLoss):
    def weights(self, similarities, labels, bank_labels):
        return torch.ones_like(similarities, dtype=torch.float64)


class SometimesNone(ContrastiveLoss):
    def weights(self, similarities, labels, bank_labels):
        return similarities.exp() if len(bank_labels) else None


class TwoAnswers(ContrastiveLoss):
    def weights(self, similarities, labels, bank_labels):
        return similarities.exp()

    def log_weights(self, similarities, labels, bank_labels):
        return similarities * 2


class Overflows(ContrastiveLoss):
    def weights(self, similarities, labels, bank_labels):
        return (2 * similarities).exp()


class CutGradient(HardNegativeLoss):
    def log_weights(self, similarities, labels, bank_labels):
        return similarities.detach()


class SumOfTheBatch(ContrastiveLoss):
    def log_bank_sum(self, log_sum, key_similarity, num_keys):
        return log_sum - log_sum.mean().clamp(min=0)


class SumOfNothing(ContrastiveLoss):
    def log_bank_sum(self, log_sum, key_similarity, num_keys):
        return log_sum - num_keys.log()


class ScalarSum(ContrastiveLoss):
    def log_bank_sum(self, log_sum, key_similarity, num_keys):
        return log_sum.mean()


@pytest.mark.parametrize(
    ("loss_class", "fault"),
    [
        (OverridesForward, "`forward` is overridden"),
        (Stateful, "a loss has no state"),
        (PrefersClassZero, "numbering of the classes matters"),
        (LooksAtPosition, "`negatives` answers otherwise for a slice of the bank"),
        (LooksAtTheWholeBank, "`negatives` answers otherwise for a slice of the bank"),
        (KeepsAMaskOfTheBank, "`negatives` answers otherwise for a slice of the bank"),
        (LooksAtOtherQueries, "`positives` answers otherwise for a slice of the batch"),
        (FloatMask, "`positives` must return None or a bool tensor"),
        (NegativeWeights, "`weights` must be at least 0"),
        (WeightsOfTheWholeBank, "`weights` answers otherwise for a slice of the bank"),
        (WeightsOfAllQueries, "`log_weights` answers otherwise for a slice of the bank"),
        (DoubleWeights, "`weights` must return None or a tensor .* of the dtype"),
        (SometimesNone, "`weights` must return None always or never"),
        (TwoAnswers, "`weights` and `log_weights` are overridden"),
        (Overflows, "not finite with .*: override `log_weights` instead"),
        (CutGradient, "not that of the value"),
        (SumOfTheBatch, "`log_bank_sum` answers otherwise for a query alone"),
        (SumOfNothing, "`log_bank_sum` is .* and no nan"),
        (ScalarSum, r"`log_bank_sum` must return \(B,\)"),
    ],
)
def test_planted_faults(loss_class, fault):
    with pytest.raises(AssertionError, match=fault):
        check_loss(loss_class(0.2))


def test_refuses_other_modules():
    with pytest.raises(TypeError, match="`loss` must be a ContrastiveLoss, got Linear"):
        check_loss(nn.Linear(1, 1))
