"""What linear CKA is made of: Gram matrices of a layer over the images of a batch.

Legend: n images of a batch, D width of a layer, L layers.
"""

from __future__ import annotations

import torch
from torch import Tensor

_AT_ONCE = {"cpu": 2**18, "cuda": 2**25}  # numbers of a layer: what the nearest memory holds


def linear_gram(features: Tensor) -> Tensor:
    """The linear kernel of centred features, ``(x - mean) (x - mean)^T``.

    HSIC is the same whatever is subtracted from all rows. With the mean of the batch the products
    of float32 features lose no digits to what all images share; they are summed in float64, some
    columns at a time, so that no second copy of a large map is made.

    Args:
        features: ``(n, ...)`` float; maps are flattened, in whatever order they lie in memory.

    Returns:
        ``(n, n)`` float64.

    Example:
        >>> linear_gram(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]], dtype=torch.float64)
    """
    if features.ndim == 4 and features.is_contiguous(memory_format=torch.channels_last):
        features = features.permute(0, 2, 3, 1)  # a view; the kernel is a sum over all cells
    rows = features.detach().flatten(1)  # (n, D)
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    count = len(rows)
    # A power of two, which loses no digit: products of huge or tiny float32 numbers have none.
    _, exponent = torch.frexp(torch.linalg.vector_norm(rows, torch.inf))
    scale = torch.exp2(-exponent.clamp(-120, 120).to(rows.dtype))
    gram = rows.new_zeros((count, count), dtype=torch.float64)
    columns = max(64, _AT_ONCE.get(rows.device.type, 2**20) // count)
    for part in rows.split(columns, dim=1):
        part = part * scale
        part -= part.mean(0)
        gram += part @ part.T
    return gram / scale.double().square()


def centre_grams(grams: Tensor) -> Tensor:
    """Centres Gram matrices without bias, in place of the diagonal zero.

    With K~ the matrix without its diagonal and a_i the sum of its row i, off the diagonal

        A_ij = K~_ij - a_i / (n-2) - a_j / (n-2) + sum(a) / ((n-1)(n-2)).

    The unbiased HSIC_1 of two layers is the inner product ``<A, B> / (n (n-3))``.

    Args:
        grams: ``(..., n, n)`` float64, n > 3.

    Returns:
        ``(..., n, n)`` float64 with a zero diagonal; each row sums to zero.

    Source:
        Song et al., "Feature Selection via Dependence Maximization" (2012), eq. 5, for HSIC_1;
        Szekely and Rizzo (2014), definition 2, for the centring that makes it an inner product.

    Example:
        >>> x = torch.tensor([[1.0, 0], [2, 1], [0, 3], [4, 1], [1, 1], [3, 2]])
        >>> centred = centre_grams(linear_gram(x))
        >>> round(float((centred * centred).sum()) / (6 * 3), 4)
        3.2333
    """
    count = grams.shape[-1]
    grams = grams - torch.diag_embed(grams.diagonal(dim1=-2, dim2=-1))
    rows = grams.sum(-1) / (count - 2)
    centre = rows.sum(-1) / (count - 1)
    centred = grams - rows[..., None] - rows[..., None, :] + centre[..., None, None]
    return centred - torch.diag_embed(centred.diagonal(dim1=-2, dim2=-1))
