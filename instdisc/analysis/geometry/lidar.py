"""How many directions tell images apart beyond what tells views of an image apart: LiDAR.

Legend: N images, Q views of each, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call

from ..inputs import feature_rows
from .spectrum import effective_rank

DELTA = 1e-4


@checked_call()
def lidar(views: Tensor, *, delta: float = DELTA) -> float:
    """Effective rank of the linear discriminant matrix of images, each a class of its views.

    RankMe's formula on the eigenvalues of ``S_W^-1/2 S_B S_W^-1/2``: S_B is the covariance of the
    images' mean features, S_W the mean over images of the covariance of their views, divided by
    N Q, plus delta on its diagonal.

    Args:
        views: ``(N, Q, D)`` float features of Q augmented views of each image.
        delta: added to the diagonal of S_W.

    Raises:
        TypeError: if they are no tensor of floats, or `delta` is no number.
        ValueError: if there are fewer than 4 images or 2 views, a feature is not finite, all
            images have one mean, or `delta` is not positive or lost beside large features.

    Source:
        Thilak et al., "LiDAR: Sensing Linear Probing Performance in Joint Embedding SSL
        Architectures" (2024), equations 1 to 3; they take 50 views of 1,000 images. Dividing S_W
        by N (Q - 1) instead moves the number by about delta.

    Example:
        >>> means = torch.eye(8)[:, None]
        >>> noise = torch.tensor([0.1, -0.1])[:, None]
        >>> round(lidar(means + noise), 2)
        7.0
    """
    checks.positive("delta", delta)
    checks.dtype("views", checks.shape("views", views, ("N", "Q", "D")), checks.FLOATS)
    count, num_views, width = views.shape
    if num_views < 2:
        checks.refuse("views", "of at least 2 views of each image", views)
    checks.all_finite("views", views, row="image")
    views = views.double()
    means = feature_rows("views", views.mean(1))  # (N, D); refuses what is the same for all images
    inside = (views - means[:, None]).flatten(0, 1)  # (N Q, D)
    within = inside.T @ inside / len(inside)
    within.diagonal().add_(delta)
    root, failed = torch.linalg.cholesky_ex(within)
    if int(failed):
        remedy = "Divide the features by a number, or raise it."
        checks.refuse("delta", "above the rounding of the covariance of views", delta, remedy)
    centred = (means - means.mean(0)) / (count - 1) ** 0.5
    # S_W^-1/2 S_B S_W^-1/2 and root^-1 S_B root^-T have the same eigenvalues: squares of singular
    # values of what the means become.
    whitened = torch.linalg.solve_triangular(root, centred.T, upper=False)
    eigenvalues = views.new_zeros(width)
    values = torch.linalg.svdvals(whitened) ** 2
    eigenvalues[: len(values)] = values
    return effective_rank(eigenvalues)
