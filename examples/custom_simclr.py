"""A method of your own that compares the images of a batch, of all processes: SimCLR.

python examples/custom_simclr.py
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import instdisc
from instdisc.checkpoint import open_backbone
from instdisc.distributed import gather_with_gradient, rank
from instdisc.methods import Objective
from instdisc.models import MLP
from instdisc.testing import check_method

Features = Mapping[int, Tensor]  # of the backbone, (B, dim) by the number of the view


class SimCLR(Objective):
    """Each view finds the other of its image among all views of all images."""

    queries = (0, 1)

    def __init__(self, dim: int, projection_dim: int, temperature: float) -> None:
        super().__init__()
        self.projector = MLP(dim, (dim, projection_dim), last_norm="scale")
        self.temperature = temperature

    def forward(self, queries: Features, keys: Features, labels: Tensor) -> Tensor:
        views = [F.normalize(self.projector(queries[v]).float(), dim=1) for v in self.queries]
        everywhere = [gather_with_gradient(view) for view in views]  # (W B, D) each
        columns = rank() * len(labels) + torch.arange(len(labels), device=labels.device)
        loss = 0.0
        for view, other in ((0, 1), (1, 0)):
            across = views[view] @ everywhere[other].T / self.temperature  # (B, W B)
            within = views[view] @ everywhere[view].T / self.temperature
            itself = F.one_hot(columns, within.shape[1]).bool()
            logits = torch.cat([across, within.masked_fill(itself, -torch.inf)], 1)
            loss = loss + F.cross_entropy(logits, columns) / 2
        return loss


class SimCLRModule(instdisc.PretrainModule):
    """SimCLR with its recipe."""

    def __init__(
        self,
        backbone: str | Path | instdisc.Backbone = "resnet50",
        projection_dim: int = 128,
        temperature: float = 0.1,
    ) -> None:
        backbone = open_backbone(backbone)
        term = SimCLR(backbone.dim, projection_dim, temperature)
        rates = {"learning_rate": 0.3, "reference_batch": 256, "warmup": 0.1, "decay": "weights"}
        super().__init__(backbone, {"simclr": term}, optimizer="lars", batch_norm="sync", **rates)
        self.save_hyperparameters(ignore=["backbone"])


if __name__ == "__main__":
    check_method(SimCLRModule("test_resnet", projection_dim=16))
    print("SimCLRModule keeps every promise of a method")
