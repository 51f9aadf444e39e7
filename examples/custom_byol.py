"""A method of your own with a momentum encoder: BYOL, whose two views predict each other.

python examples/custom_byol.py
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

import instdisc
from instdisc.checkpoint import open_backbone
from instdisc.methods import Objective
from instdisc.models import MLP
from instdisc.testing import check_method

Features = Mapping[int, Tensor]  # of the backbone, (B, dim) by the number of the view


class BYOL(Objective):
    """Each view predicts what the momentum encoder makes of the other."""

    queries = keys = (0, 1)  # both encoders see both views

    def __init__(self, dim: int, widths: tuple[int, int], momentum: float) -> None:
        super().__init__()
        self.projector = MLP(dim, widths, bias=True, last_bias=False)
        self.predictor = MLP(widths[-1], widths, bias=True, last_bias=False)
        self.momentum_projector = instdisc.MomentumEncoder(self.projector, momentum)

    def forward(self, queries: Features, keys: Features, labels: Tensor) -> Tensor:
        similarity = 0.0
        for view, other in ((0, 1), (1, 0)):
            prediction = self.predictor(self.projector(queries[view])).float()
            target = self.momentum_projector(keys[other]).float()
            similarity = similarity + F.cosine_similarity(prediction, target).mean()
        return 4 - 2 * similarity

    def after_step(self) -> None:
        self.momentum_projector.update(self.projector)


class BYOLModule(instdisc.PretrainModule):
    """BYOL with the recipe of its 300 epochs."""

    def __init__(
        self,
        backbone: str | Path | instdisc.Backbone = "resnet50",
        widths: tuple[int, int] = (4096, 256),
        momentum: float = 0.99,
    ) -> None:
        backbone = open_backbone(backbone)
        term = BYOL(backbone.dim, widths, momentum)
        rates = {"learning_rate": 0.3, "weight_decay": 1e-6, "warmup": 10 / 300}
        recipe = {"optimizer": "lars", "decay": "weights", "reference_batch": 256, **rates}
        slow = {"momentum": momentum, "final_momentum": 1.0, "batch_norm": "sync"}
        super().__init__(backbone, {"byol": term}, **recipe, **slow)
        self.save_hyperparameters(ignore=["backbone"])


if __name__ == "__main__":
    check_method(BYOLModule("test_resnet", widths=(32, 16)))
    print("BYOLModule keeps every promise of a method")
