"""Methods as lightly's example scripts build them, from its heads and losses.

Legend: B batch, V views, D width of the backbone.
"""

import copy
import warnings
from collections.abc import Callable, Sequence

import torch
from lightly.loss import (
    BarlowTwinsLoss,
    DINOLoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    VICRegLoss,
)
from lightly.models.modules import NNMemoryBankModule
from lightly.models.modules.heads import (
    BarlowTwinsProjectionHead,
    BYOLPredictionHead,
    BYOLProjectionHead,
    DINOProjectionHead,
    NNCLRPredictionHead,
    NNCLRProjectionHead,
    SimCLRProjectionHead,
    SimSiamPredictionHead,
    SimSiamProjectionHead,
    VICRegProjectionHead,
)
from lightly.models.utils import update_momentum
from torch import Tensor, nn

HIDDEN, OUT = 512, 128  # widths of all heads


class LightlyMethod(nn.Module):
    """A network with what a method of lightly's adds to it.

    Args:
        backbone: of the images; trained.
    """

    def __init__(self, backbone: nn.Module, dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.copies: list[tuple[nn.Module, nn.Module]] = []  # (trained, slow)

    def loss(self, images: Sequence[Tensor]) -> Tensor:
        """The loss of V views ``(B, 3, H, W)``."""
        raise NotImplementedError

    def slow(self, module: nn.Module) -> nn.Module:
        """A momentum copy, which `before_step` updates."""
        slow = copy.deepcopy(module).requires_grad_(False)
        self.copies.append((module, slow))
        return slow

    def before_step(self, momentum: float = 0.99) -> None:
        """Updates the momentum copies."""
        for module, slow in self.copies:
            update_momentum(module, slow, momentum)


class SimCLR(LightlyMethod):
    """lightly's examples/pytorch_lightning/simclr.py."""

    def __init__(self, backbone: nn.Module, dim: int, temperature: float = 0.5) -> None:
        super().__init__(backbone, dim)
        self.head = SimCLRProjectionHead(dim, HIDDEN, OUT)
        self.criterion = NTXentLoss(temperature)

    def loss(self, images: Sequence[Tensor]) -> Tensor:
        first, second = (self.head(self.backbone(view)) for view in images)
        loss: Tensor = self.criterion(first, second)
        return loss


class BYOL(LightlyMethod):
    """lightly's examples/pytorch_lightning/byol.py."""

    def __init__(self, backbone: nn.Module, dim: int) -> None:
        super().__init__(backbone, dim)
        self.head = BYOLProjectionHead(dim, HIDDEN, OUT)
        self.predictor = BYOLPredictionHead(OUT, HIDDEN, OUT)
        self.slow_backbone, self.slow_head = self.slow(backbone), self.slow(self.head)
        self.criterion = NegativeCosineSimilarity()

    def loss(self, images: Sequence[Tensor]) -> Tensor:
        predicted = [self.predictor(self.head(self.backbone(view))) for view in images]
        with torch.no_grad():
            targets = [self.slow_head(self.slow_backbone(view)) for view in images]
        first = self.criterion(predicted[0], targets[1])
        loss: Tensor = 0.5 * (first + self.criterion(predicted[1], targets[0]))
        return loss


class SimSiam(LightlyMethod):
    """lightly's examples/pytorch_lightning/simsiam.py."""

    def __init__(self, backbone: nn.Module, dim: int) -> None:
        super().__init__(backbone, dim)
        self.head = SimSiamProjectionHead(dim, HIDDEN, HIDDEN)
        self.predictor = SimSiamPredictionHead(HIDDEN, OUT, HIDDEN)
        self.criterion = NegativeCosineSimilarity()

    def loss(self, images: Sequence[Tensor]) -> Tensor:
        projected = [self.head(self.backbone(view)) for view in images]
        predicted = [self.predictor(each) for each in projected]
        first = self.criterion(predicted[0], projected[1].detach())
        loss: Tensor = 0.5 * (first + self.criterion(predicted[1], projected[0].detach()))
        return loss


class BarlowTwins(LightlyMethod):
    """lightly's examples/pytorch_lightning/barlowtwins.py."""

    def __init__(self, backbone: nn.Module, dim: int) -> None:
        super().__init__(backbone, dim)
        self.head = BarlowTwinsProjectionHead(dim, HIDDEN, HIDDEN)
        self.criterion = BarlowTwinsLoss()

    def loss(self, images: Sequence[Tensor]) -> Tensor:
        first, second = (self.head(self.backbone(view)) for view in images)
        loss: Tensor = self.criterion(first, second)
        return loss


class VICReg(BarlowTwins):
    """lightly's examples/pytorch_lightning/vicreg.py."""

    def __init__(self, backbone: nn.Module, dim: int) -> None:
        super().__init__(backbone, dim)
        self.head = VICRegProjectionHead(dim, HIDDEN, HIDDEN)
        self.criterion = VICRegLoss()


class NNCLR(LightlyMethod):
    """lightly's examples/pytorch_lightning/nnclr.py."""

    def __init__(self, backbone: nn.Module, dim: int, queue_size: int = 4096) -> None:
        super().__init__(backbone, dim)
        self.head = NNCLRProjectionHead(dim, HIDDEN, OUT)
        self.predictor = NNCLRPredictionHead(OUT, HIDDEN, OUT)
        self.criterion = NTXentLoss()
        self.neighbours = NNMemoryBankModule(size=(queue_size, OUT))

    def loss(self, images: Sequence[Tensor]) -> Tensor:
        projected = [self.head(self.backbone(view)) for view in images]
        predicted = [self.predictor(each) for each in projected]
        near = [
            self.neighbours(each.detach(), update=first)
            for each, first in zip(projected, (False, True), strict=True)
        ]
        loss: Tensor = 0.5 * (
            self.criterion(near[0], predicted[1]) + self.criterion(near[1], predicted[0])
        )
        return loss


class DINO(LightlyMethod):
    """lightly's examples/pytorch_lightning/dino.py, on two views."""

    def __init__(self, backbone: nn.Module, dim: int, prototypes: int = 2048) -> None:
        super().__init__(backbone, dim)
        with warnings.catch_warnings():  # of weight_norm, which keeps heads from being copied, too
            warnings.simplefilter("ignore")
            self.head, self.slow_head = (
                DINOProjectionHead(dim, HIDDEN, OUT, prototypes) for _ in range(2)
            )
        self.slow_head.load_state_dict(self.head.state_dict())
        self.slow_head.requires_grad_(False)
        self.slow_backbone = self.slow(backbone)
        self.copies.append((self.head, self.slow_head))
        self.criterion = DINOLoss(prototypes)

    def loss(self, images: Sequence[Tensor]) -> Tensor:
        with torch.no_grad():
            targets = [self.slow_head(self.slow_backbone(view)) for view in images[:2]]
        students = [self.head(self.backbone(view)) for view in images]
        loss: Tensor = self.criterion(targets, students)
        return loss


LIGHTLY_METHODS: dict[str, Callable[[nn.Module, int], LightlyMethod]] = {
    "simclr": SimCLR,
    "byol": BYOL,
    "simsiam": SimSiam,
    "barlow_twins": BarlowTwins,
    "vicreg": VICReg,
    "nnclr": NNCLR,
    "dino": DINO,
}
