"""A head that compares features with prototypes.

Legend: B batch, D width of the projection, K prototypes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.checks import arguments, whole

from .mlp import MLP


class PrototypeHead(nn.Module):
    """Three linear layers with GELU between them; the cosine of the output to each prototype.

    Args:
        dim: width of the features.
        hidden_dim: of the two hidden layers.
        projection_dim: D.
        num_prototypes: K.

    Attributes:
        mlp: the three layers.
        prototypes: ``(K, D)``. Only their directions count: a row is divided by its length.

    Raises:
        TypeError: if a width is no whole number.
        ValueError: if a width is not positive.

    Source:
        The head of Caron et al., "Emerging Properties in Self-Supervised Vision Transformers"
        (2021), appendix C, and its first weights: linear layers from a normal distribution of
        deviation 0.02, cut off at 2, without bias. There the last layer is normalised by weight
        norm, whose length is fixed at 1.

    Example:
        >>> head = PrototypeHead(8, hidden_dim=16, projection_dim=4, num_prototypes=32)
        >>> cosines = head(torch.randn(2, 8))
        >>> cosines.shape, bool((cosines.abs() <= 1.001).all())
        (torch.Size([2, 32]), True)
    """

    def __init__(
        self,
        dim: int,
        *,
        hidden_dim: int = 2048,
        projection_dim: int = 256,
        num_prototypes: int = 65536,
    ) -> None:
        super().__init__()
        sizes = {"dim": whole, "hidden_dim": whole, "projection_dim": whole}
        arguments(PrototypeHead.__init__, locals(), num_prototypes=whole, **sizes)
        widths = (hidden_dim, hidden_dim, projection_dim)
        self.mlp = MLP(dim, widths, batch_norm=False, activation="gelu")
        for layer in self.mlp.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        # As a linear layer begins: a row's length decides how fast its direction turns.
        last = nn.Linear(projection_dim, num_prototypes, bias=False)
        self.prototypes = last.weight

    def forward(self, features: Tensor) -> Tensor:
        """The cosines between the projected features and the prototypes.

        Args:
            features: ``(B, dim)``.

        Returns:
            ``(B, K)`` in [-1, 1]; float32 also under autocast, float64 for float64 features.
        """
        projection = self.project(features)
        with torch.autocast(projection.device.type, enabled=False):
            prototypes = F.normalize(self.prototypes.to(projection.dtype), dim=1)
            return F.linear(projection, prototypes)

    def project(self, features: Tensor) -> Tensor:
        """What is compared with the prototypes.

        Args:
            features: ``(B, dim)``.

        Returns:
            ``(B, D)`` rows of length 1; float32 also under autocast, float64 for float64 features.
        """
        projection: Tensor = self.mlp(features)
        if projection.dtype != torch.float64:
            projection = projection.float()
        return F.normalize(projection, dim=1)
