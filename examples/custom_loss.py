"""Write your own loss: subclass `ContrastiveLoss` and say which stored keys count how.

    python examples/custom_loss.py

Here: exemplar contrast that trusts labels alone. Stored keys of unknown class, which may well be of
the query's own, are ignored instead of repelled.
"""

from torch import Tensor

from instdisc import ContrastiveLoss
from instdisc.losses import same_class
from instdisc.testing import check_loss


class CautiousExemplarLoss(ContrastiveLoss):
    """Only keys that are known to be of another class repel."""

    def negatives(self, labels: Tensor, bank_labels: Tensor) -> Tensor:
        known = bank_labels[None, :] >= 0
        return known & ~same_class(labels, bank_labels)


if __name__ == "__main__":
    check_loss(CautiousExemplarLoss(temperature=0.2))
    print("CautiousExemplarLoss keeps every promise of a contrastive loss")
