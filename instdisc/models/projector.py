"""From features to the sphere on which contrastive losses compare them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.checks import FLOATS, arguments, dtype, shape, whole

ProjectorKind = Literal["mlp", "linear"]


class Projector(nn.Module):
    """Maps features to unit vectors, by one linear layer or by Linear - ReLU - Linear.

    Args:
        dim: width of the features.
        projection_dim: width of the output.
        kind: ``"mlp"`` with a hidden layer as wide as the features (MoCo v2, Islam et al.),
            ``"linear"`` (MoCo v1).

    Raises:
        TypeError: if a width is no whole number.
        ValueError: if a width is not positive or `kind` is unknown.

    Source:
        Chen et al., "Improved Baselines with Momentum Contrastive Learning" (2020): 2048 - 2048 -
        ReLU - 128, no batch norm.

    Example:
        >>> import torch
        >>> lengths = Projector(512, 128)(torch.randn(4, 512)).norm(dim=1)
        >>> torch.allclose(lengths, torch.ones(4))
        True
    """

    def __init__(self, dim: int, projection_dim: int = 128, *, kind: ProjectorKind = "mlp") -> None:
        super().__init__()
        arguments(Projector.__init__, locals(), dim=whole, projection_dim=whole)
        self.dim = dim
        hidden = [nn.Linear(dim, dim), nn.ReLU(inplace=True)] if kind == "mlp" else []
        self.layers = nn.Sequential(*hidden, nn.Linear(dim, projection_dim))

    def forward(self, features: Tensor) -> Tensor:
        """Projects and normalises.

        Args:
            features: ``(B, dim)``.

        Returns:
            ``(B, projection_dim)`` rows of length 1; float32 also under autocast, float64 for
            float64 features.
        """
        if not isinstance(features, Tensor) or features.dtype not in FLOATS:
            dtype("features", features, FLOATS)
        if features.ndim != 2 or features.shape[1] != self.dim:
            shape("features", features, ("B", self.dim))
        projected = self.layers(features)
        if projected.dtype != torch.float64:
            projected = projected.float()
        return F.normalize(projected, dim=1)
