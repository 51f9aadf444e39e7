"""`check_loss` must catch what breaks the contract."""

import pytest
import torch
from torch import nn

from instdisc.losses import ContrastiveLoss, same_class
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
    ],
)
def test_planted_faults(loss_class, fault):
    with pytest.raises(AssertionError, match=fault):
        check_loss(loss_class(0.2))


def test_refuses_other_modules():
    with pytest.raises(TypeError, match="`loss` must be a ContrastiveLoss, got Linear"):
        check_loss(nn.Linear(1, 1))
