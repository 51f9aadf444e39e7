"""Linear layers with norms and activations between them: projectors and predictors.

Legend: B batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from instdisc.checks import FLOATS, arguments, dtype, filled, shape, whole

LastNorm = Literal["none", "affine", "scale", "plain"]
Activation = Literal["relu", "gelu"]


class MLP(nn.Module):
    """Linear layers; batch norm and an activation after each but the last.

    The output is not normalised: a loss that compares directions takes `F.normalize` of it.

    Args:
        dim: width of the features.
        widths: of the output of each linear layer; the last is that of the head.
        batch_norm: whether batch norm follows the hidden layers.
        last_norm: batch norm after the last layer. ``"none"``: there is none. ``"affine"``: with
            weight and bias. ``"scale"``: with weight alone. ``"plain"``: with neither.
        bias: whether the hidden linear layers have a bias. By default where no batch norm follows,
            which would take it out again.
        last_bias: whether the last linear layer has one; by default as for `bias`.
        activation: between the layers.

    Raises:
        TypeError: if a width is no whole number.
        ValueError: if `widths` is empty, a width is not positive, or a choice is unknown.

    Source:
        The heads of these papers, for features of width d; a second one is the predictor.

        - SimCLR: ``MLP(d, (d, 128), last_norm="scale")``
        - BYOL: ``MLP(d, (4096, 256), bias=True, last_bias=False)``, and the same for 256
        - SimSiam: ``MLP(d, (d, d, d), last_norm="plain")``, ``MLP(d, (512, d))``
        - MoCo v3: ``MLP(d, (4096, 256), last_norm="plain")``,
          ``MLP(256, (4096, 256), last_bias=False)``
        - MoCo v3, ViT: ``MLP(d, (4096, 4096, 256), last_norm="plain")``,
          ``MLP(256, (4096, 256), last_norm="plain")``
        - Barlow Twins: ``MLP(d, (8192, 8192, 8192), last_bias=False)``
        - VICReg: ``MLP(d, (8192, 8192, 8192), bias=True, last_bias=False)``
        - DINO: ``MLP(d, (2048, 2048, 256), batch_norm=False, activation="gelu")``; its layer of
          prototypes comes after it
        - NNCLR: ``MLP(d, (2048, 2048, 256), last_norm="affine")``, ``MLP(256, (4096, 256))``
        - SupContrast: ``MLP(d, (d, 128), batch_norm=False)``
        - Debiased and hard negatives: ``MLP(d, (512, 128))``

        Differs from them: torch's initialisation everywhere.

    Example:
        >>> import torch
        >>> head = MLP(4, (8, 2), last_norm="plain")
        >>> [type(layer).__name__ for layer in head.layers]
        ['Linear', 'BatchNorm1d', 'ReLU', 'Linear', 'BatchNorm1d']
        >>> head(torch.randn(3, 4)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        dim: int,
        widths: Sequence[int],
        *,
        batch_norm: bool = True,
        last_norm: LastNorm = "none",
        bias: bool | None = None,
        last_bias: bool | None = None,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        arguments(MLP.__init__, locals(), dim=whole, widths=whole)
        filled("widths", widths)
        self.dim, self.widths = dim, tuple(widths)
        bias = not batch_norm if bias is None else bias
        last_bias = last_norm == "none" if last_bias is None else last_bias
        layers: list[nn.Module] = []
        for width in widths[:-1]:
            layers.append(nn.Linear(dim, width, bias=bias))
            if batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(nn.ReLU(inplace=True) if activation == "relu" else nn.GELU())
            dim = width
        layers.append(nn.Linear(dim, widths[-1], bias=last_bias))
        if last_norm != "none":
            layers.append(_last_norm(widths[-1], last_norm))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """What the layers make of the features.

        Args:
            features: ``(B, dim)``.

        Returns:
            ``(B, widths[-1])``, in the precision of autocast where it is on.
        """
        if not isinstance(features, Tensor) or features.dtype not in FLOATS:
            dtype("features", features, FLOATS)
        if features.ndim != 2 or features.shape[1] != self.dim:
            shape("features", features, ("B", self.dim))
        output: Tensor = self.layers(features)
        return output


def linear_widths(head: nn.Module) -> str:
    """Output widths of the linear layers of a head, as a resume must find them again.

    Args:
        head: any module.

    Example:
        >>> linear_widths(MLP(8, (16, 4)))
        '16-4'
    """
    widths = [layer.out_features for layer in head.modules() if isinstance(layer, nn.Linear)]
    return "-".join(map(str, widths))


def _last_norm(width: int, kind: LastNorm) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(width, affine=kind != "plain")
    if kind == "scale":
        norm.register_parameter("bias", None)
    return norm
