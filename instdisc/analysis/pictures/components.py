"""Principal components of the maps of a stage.

Legend: M images, C channels, h x w cells of a map, P = M h w cells in all.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.analysis.inputs import feature_rows, stage_positions
from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.models import Backbone

from .maps import stage_maps

NUM_COMPONENTS = 3  # red, green, blue


@checked_call()
class Components(NamedTuple):
    """The first three principal components of maps.

    Attributes:
        scores: ``(M, h, w, 3)`` float64: of each cell, centred, the strongest component first.
        shares: ``(3,)`` float64 share of the variance of all cells in each component.
    """

    scores: Tensor
    shares: Tensor


@checked_call()
def principal_components(maps: Tensor) -> Components:
    """Principal components over the cells of all images together, with deterministic signs.

    With the centred cells X (P, C) = U S V^T the scores are the first three columns of U S, and
    the shares S^2 / sum S^2. Of each column of V the entry of largest magnitude is positive.
    Where there are fewer than three components, the others are 0.

    Args:
        maps: ``(M, C, h, w)`` float.

    Raises:
        TypeError: if they are no tensor of floats.
        ValueError: if they are no maps, have fewer than 4 cells, are not finite, or are the same
            in all cells.

    Source:
        The common picture of the field, e.g. Oquab et al., "DINOv2" (2023), figure 1. Differs from
        it: nothing is thresholded away.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> result = principal_components(torch.randn(2, 8, 4, 4, generator=generator))
        >>> result.scores.shape, bool(result.shares.sum() < 1)
        (torch.Size([2, 4, 4, 3]), True)
    """
    checks.shape("maps", maps, ("M", "C", "h", "w"))
    num_images, width, height, breadth = maps.shape
    rows = feature_rows("maps", maps.permute(0, 2, 3, 1).reshape(-1, width)).cpu()
    rows = rows - rows.mean(0)  # (P, C)
    count = min(NUM_COMPONENTS, *rows.shape)
    # The smaller of both Gram matrices has the same eigenvalues above 0.
    if width <= len(rows):
        directions = torch.linalg.eigh(rows.T @ rows).eigenvectors.flip(1)[:, :count]  # (C, 3)
    else:
        left = torch.linalg.eigh(rows @ rows.T).eigenvectors.flip(1)[:, :count]  # (P, 3)
        directions = F.normalize(rows.T @ left, dim=0)
    largest = directions.abs().argmax(0)
    signs = directions.gather(0, largest[None]).sign()
    scores = rows @ (directions * signs)  # (P, 3)
    shares = scores.square().sum(0) / rows.square().sum()
    scores, shares = F.pad(scores, (0, 3 - count)), F.pad(shares, (0, 3 - count))
    return Components(scores.view(num_images, height, breadth, 3), shares)


@checked_call()
def align_components(scores: Tensor, reference: Tensor) -> Tensor:
    """Turns components so that their colours resemble those of another network.

    Principal components of two networks may come in another order, with other signs, or mixed.
    The orthogonal map Q (3, 3) that minimises ||A Q - B||_F, with A and B scaled to unit length,
    is U V^T of the singular value decomposition A^T B = U S V^T. Maps of another size are averaged
    to the size of the reference to compute Q; `scores` keep their size.

    Args:
        scores: ``(M, h, w, 3)`` float, centred; of the same images as `reference`.
        reference: ``(M, h', w', 3)``, of the first network.

    Returns:
        ``(M, h, w, 3)`` float64.

    Raises:
        ValueError: if they have another shape, or are of different images.

    Source:
        Schönemann, "A generalized solution of the orthogonal Procrustes problem" (1966).

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> first = torch.randn(2, 4, 4, 3, generator=generator).double()
        >>> mixed = first[..., [2, 0, 1]] * torch.tensor([1.0, -1.0, 1.0])
        >>> bool(torch.allclose(align_components(mixed, first), first))
        True
    """
    checks.shape("reference", reference, ("M", "h", "w", 3))
    checks.same_length("scores", scores, "reference", reference)
    checks.shape("scores", scores, ("M", "h", "w", 3))
    for name, value in (("scores", scores), ("reference", reference)):
        checks.all_finite(name, checks.dtype(name, value, checks.FLOATS), row="image")
        if not value.numel():
            checks.refuse(name, "of at least one image and one cell", value)
    scores, reference = scores.double(), reference.double()
    resized = scores
    if scores.shape != reference.shape:
        planes = scores.permute(0, 3, 1, 2)
        size = (reference.shape[1], reference.shape[2])
        resized = F.adaptive_avg_pool2d(planes, size).permute(0, 2, 3, 1)
    product = resized.reshape(-1, 3).T @ reference.reshape(-1, 3)
    left, _, right = torch.linalg.svd(product)
    return scores @ (left @ right)


@checked_call()
def stage_components(
    backbone: Backbone,
    images: ImageSource,
    *,
    stage: int,
    image_size: int | None = None,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
) -> Components:
    """`principal_components` of the maps of one stage.

    Args:
        backbone: frozen, and checked not to change.
        images: those that are shown together; all count in the components.
        stage: a number from 1, shallow to deep.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where the maps are computed.

    Raises:
        ValueError: see `principal_components`; if there is no such stage.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(3, image_size=64)
        >>> stage_components(Backbone("test_resnet"), images, stage=2, image_size=64).scores.shape
        torch.Size([3, 8, 8, 3])
    """
    stage_positions([stage], backbone, "stage")
    (maps,) = stage_maps(
        backbone,
        images,
        stages=[stage],
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
    )
    return principal_components(maps)
