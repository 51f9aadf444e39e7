"""What the networks are trained for: the features of a stage.

Legend: B images, H x W their size, C channels of the stage.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.models import Backbone

from .network import SkipNetwork


class FeatureDistance(nn.Module):
    """How far the features of drawn images are from those of given ones, for each image.

    Args:
        backbone: frozen, in eval mode, on the images' device.
        images: ``(B, 3, H, W)`` float32 from 0 to 1.
        position: of the stage in the backbone's maps.
        sigmoid: whether what is drawn are pixels from 0 to 1; else it is normalised as the
            backbone takes it.
        total_variation: weight of the mean absolute difference of neighbouring pixels.
        bf16: whether networks and backbone compute in bfloat16.

    Example:
        >>> images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> distance = FeatureDistance(Backbone("test_resnet").eval(), images, 0)
        >>> distance.errors(distance.normalised(images)).tolist()
        [0.0, 0.0]
    """

    mean: Tensor
    std: Tensor
    features: Tensor

    def __init__(
        self,
        backbone: Backbone,
        images: Tensor,
        position: int,
        *,
        sigmoid: bool = False,
        total_variation: float = 0.0,
        bf16: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.position = position
        self.sigmoid = sigmoid
        self.total_variation = total_variation
        self.bf16 = bf16
        self.size = (images.shape[2], images.shape[3])
        for name in ("mean", "std"):
            values = torch.tensor(getattr(backbone.input, name), device=images.device)
            self.register_buffer(name, values[:, None, None])
        with torch.no_grad():
            self.register_buffer("features", self._map(self.normalised(images)).float())

    def forward(self, network: SkipNetwork) -> Tensor:
        """The loss of each image, ``(B,)`` float32."""
        drawn = self.draw(network)
        loss = (self._map(drawn).float() - self.features).square().flatten(1).mean(1)
        if self.total_variation:
            loss = loss + self.total_variation * total_variation(self.pixels(drawn))
        return loss

    def draw(self, network: SkipNetwork) -> Tensor:
        """What the networks draw, as the backbone takes it: ``(B, 3, H, W)``."""
        height, width = self.size
        with self._precision():
            drawn = network()[:, :, :height, :width].float()
        return self.normalised(drawn) if self.sigmoid else drawn

    def errors(self, drawn: Tensor) -> Tensor:
        """The squared distance over the squared length of the features sought, ``(B,)``."""
        sought = self.features.flatten(1)
        apart = self._map(drawn).float().flatten(1) - sought
        length = sought.square().sum(1).clamp_min(torch.finfo(torch.float32).tiny)
        return apart.square().sum(1) / length

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels from 0 to 1 as the backbone takes them."""
        return (pixels - self.mean) / self.std

    def pixels(self, drawn: Tensor) -> Tensor:
        """The other way round; not clipped."""
        return drawn * self.std + self.mean

    def _map(self, images: Tensor) -> Tensor:
        """The stage's map, ``(B, C, h, w)``."""
        with self._precision():
            return self.backbone.stage_map(images, self.position)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.mean.device.type, torch.bfloat16, enabled=self.bf16)


@checked_call()
def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, below and to the right.

    Args:
        images: ``(B, C, H, W)`` float, H and W at least 2.

    Returns:
        ``(B,)``.

    Example:
        >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
        tensor([1.])
    """
    checks.dtype("images", checks.shape("images", images, ("B", "C", "H", "W")), checks.FLOATS)
    if min(images.shape[2:]) < 2:
        checks.refuse("images", "at least 2 pixels high and wide", images)
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().flatten(1).mean(1)
    right = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().flatten(1).mean(1)
    return down + right
