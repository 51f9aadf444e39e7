"""A method of your own on views of several sizes: DINO, with a teacher that sees the large ones.

python examples/custom_dino.py
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import instdisc
from instdisc.checkpoint import open_backbone
from instdisc.losses import distillation_loss
from instdisc.methods import Objective
from instdisc.models import Center, PrototypeHead
from instdisc.testing import check_method

Features = Mapping[int, Tensor]  # of the backbone, (B, dim) by the number of the view


class DINO(Objective):
    """Every view says what the teacher says of another, large view."""

    keys = (0, 1)  # the large views

    def __init__(self, dim: int, num_views: int, num_prototypes: int, momentum: float) -> None:
        super().__init__()
        self.queries = tuple(range(num_views))
        self.head = PrototypeHead(dim, num_prototypes=num_prototypes)
        self.momentum_head = instdisc.MomentumEncoder(self.head, momentum)
        self.center = Center(num_prototypes)  # a buffer, the mean over all processes

    def forward(self, queries: Features, keys: Features, labels: Tensor) -> Tensor:
        self.teacher = torch.cat([self.momentum_head(keys[view]) for view in self.keys])
        targets = F.softmax(self.center(self.teacher) / 0.04, dim=1).chunk(len(self.keys))
        return distillation_loss([self.head(queries[v]) / 0.1 for v in self.queries], targets)

    def after_backward(self) -> None:
        self.center.update(self.teacher)

    def after_step(self) -> None:
        self.momentum_head.update(self.head)


class DINOModule(instdisc.PretrainModule):
    """DINO with the recipe of a vision transformer."""

    def __init__(
        self,
        backbone: str | Path | instdisc.Backbone = "vit_small_patch16_224",
        num_views: int = 10,
        num_prototypes: int = 65536,
    ) -> None:
        backbone = open_backbone(backbone)
        term = DINO(backbone.dim, num_views, num_prototypes, momentum=0.996)
        decay = {"weight_decay": 0.04, "final_weight_decay": 0.4, "decay": "weights"}
        rates = {"optimizer": "adamw", "learning_rate": 5e-4, "reference_batch": 256, "warmup": 0.1}
        slow = {"momentum": 0.996, "final_momentum": 1.0, "batch_norm": "sync"}
        super().__init__(backbone, {"dino": term}, **decay, **rates, **slow)
        self.save_hyperparameters(ignore=["backbone"])


if __name__ == "__main__":
    check_method(DINOModule("test_vit", num_views=4, num_prototypes=32))
    print("DINOModule keeps every promise of a method")
