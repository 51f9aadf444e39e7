"""A loss of your own that weighs the stored keys by their similarity, and a method with it.

    python examples/custom_hard_negatives.py

Here: keys of other classes repel, the nearer the more; those of the query's class attract.
"""

import torch
from torch import Tensor

import instdisc
from instdisc import ContrastiveLoss
from instdisc.losses import same_class
from instdisc.methods import Contrast
from instdisc.testing import check_loss, check_method


class HardSupConLoss(ContrastiveLoss):
    """Supervised contrast in which near keys of other classes count more."""

    weights_have_gradient = True
    weights_are_relative = True  # to their mean, so that only ratios count

    def positives(self, labels: Tensor, bank_labels: Tensor) -> Tensor:
        return same_class(labels, bank_labels)

    def weights(self, similarities: Tensor, labels: Tensor, bank_labels: Tensor) -> Tensor:
        is_positive = same_class(labels, bank_labels)
        return torch.where(is_positive, 1.0, (0.5 * similarities).exp())


if __name__ == "__main__":
    check_loss(HardSupConLoss(temperature=0.2))
    backbone = instdisc.Backbone("test_resnet")
    term = Contrast(backbone.dim, HardSupConLoss(temperature=0.2), queue_size=64, needs_labels=True)
    check_method(instdisc.PretrainModule(backbone, {"contrast": term}, batch_norm_groups=2))
    print("HardSupConLoss keeps every promise of a loss, and a method with it those of a method")
