"""A ViT whose way in does not learn: fixed positions and a frozen random projection of patches.

Legend: H x W patches of an image, D width, P prefix tokens (class and registers).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from instdisc.checks import arguments, refuse

from .backbone import Backbone


def freeze_patch_projection(backbone: Backbone, *, initialize: bool = True) -> Backbone:
    """Fixes the position embedding of a ViT and freezes its projection of patches, as MoCo v3 does.

    Gradients of a ViT in contrastive training have spikes that begin in its first layer; where that
    layer stays random, the accuracy is steady. Works in place, before a momentum encoder copies the
    backbone; names and shapes of the weights stay, so checkpoints do not change. What is frozen is
    known by its ``requires_grad``, which no file holds: freeze again after loading one.

    Args:
        backbone: of a timm `VisionTransformer` with an absolute position embedding.
        initialize: draw all weights anew as the paper does: Xavier-uniform, for query, key and
            value apart; biases 0; the class token of deviation 1e-6; positions by
            `sine_cosine_positions`. ``False`` freezes the positions and the projection that the
            backbone has, e.g. from a file.

    Returns:
        `backbone` itself.

    Raises:
        TypeError: if `backbone` is of another kind.
        ValueError: if its width does not divide by 4, and positions are to be made.

    Source:
        Chen et al., "An Empirical Study of Training Self-Supervised Vision Transformers" (2021),
        sections 4.2 and 4.4. Its ViT-S has 12 heads:
        ``Backbone("vit_small_patch16_224", num_heads=12)``.

    Example:
        >>> backbone = freeze_patch_projection(Backbone("test_vit"))
        >>> [name for name, weight in backbone.net.named_parameters() if not weight.requires_grad]
        ['pos_embed', 'patch_embed.proj.weight', 'patch_embed.proj.bias']
    """
    arguments(freeze_patch_projection, locals())
    net: Any = backbone.net
    if not _is_plain(net):
        refuse(
            "backbone",
            "of a timm VisionTransformer with an absolute position embedding",
            backbone.name,
            "Use one such as Backbone('vit_small_patch16_224', num_heads=12), or train this one "
            "with all its weights.",
            kind=TypeError,
        )
    if initialize:
        positions = sine_cosine_positions(net.patch_embed.grid_size, net.embed_dim)  # (HW, D)
        net.init_weights("moco")
        with torch.no_grad():
            num_prefix = net.pos_embed.shape[1] - len(positions)
            net.pos_embed.zero_()
            net.pos_embed[0, num_prefix:] = positions
            _initialize_projection(net.patch_embed.proj)
    net.pos_embed.requires_grad_(False)
    net.patch_embed.proj.requires_grad_(False)
    return backbone


def sine_cosine_positions(grid: tuple[int, int], dim: int) -> Tensor:
    """Waves over the rows and the columns of a grid, of wavelengths from 2 pi to 10,000 * 2 pi.

    Of the patch in row i and column j: ``[sin(i w), cos(i w), sin(j w), cos(j w)]`` with
    ``w_k = 10000^(-4 k / D)`` for k = 0, ..., D / 4 - 1.

    Args:
        grid: H and W.
        dim: D, divisible by 4.

    Returns:
        ``(H * W, D)``, row by row.

    Raises:
        ValueError: if `dim` does not divide by 4.

    Source:
        Vaswani et al., "Attention Is All You Need" (2017), section 3.5, in two dimensions.

    Example:
        >>> sine_cosine_positions((1, 2), 4)
        tensor([[0.0000, 1.0000, 0.0000, 1.0000],
                [0.0000, 1.0000, 0.8415, 0.5403]])
    """
    if dim % 4:
        refuse("dim", "divisible by 4", dim, "Use a ViT of another width.")
    height, width = grid
    bands = 10000 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    rows = torch.arange(height).repeat_interleave(width)[:, None] * bands  # (HW, D / 4)
    columns = torch.arange(width).repeat(height)[:, None] * bands
    waves = [rows.sin(), rows.cos(), columns.sin(), columns.cos()]
    return torch.cat(waves, 1).float()


def _is_plain(net: nn.Module) -> bool:
    """Whether patches pass one convolution, and positions are one table that is added."""
    return (
        isinstance(net, VisionTransformer)
        and type(net.patch_embed) is PatchEmbed
        and isinstance(net.pos_embed, nn.Parameter)
    )


def _initialize_projection(projection: nn.Conv2d) -> None:
    """Xavier-uniform, as of the linear layer that the convolution is."""
    weight = projection.weight
    bound = math.sqrt(6 / (weight[0].numel() + len(weight)))
    nn.init.uniform_(weight, -bound, bound)
    if projection.bias is not None:
        nn.init.zeros_(projection.bias)
