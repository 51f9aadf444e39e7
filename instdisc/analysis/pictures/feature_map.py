"""A two-dimensional map of features.

Legend: N images, D width.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.analysis.inputs import feature_rows
from instdisc.checks import checked_call
from instdisc.transfer import Features

PROJECTIONS = ("tsne", "pca", "umap")
_PERPLEXITY = 30.0
_REDUCED = 50  # principal components that t-SNE and UMAP are given


@checked_call()
def feature_map(features: Tensor | Features, *, projection: str = "tsne", seed: int = 0) -> Tensor:
    """A point in the plane for each image, so that images alike to the network lie close.

    Rows are made to unit length first, as everywhere where cosines count. t-SNE and UMAP get
    their first 50 principal components; t-SNE begins from the first two, with perplexity 30 or a
    third of the images if these are fewer than 91. Distances between far groups, and the sizes of
    groups, mean nothing in t-SNE and UMAP.

    Args:
        features: ``(N, D)`` float, or `Features`.
        projection: ``"tsne"``, ``"pca"`` or ``"umap"``; the last needs the package umap-learn.
        seed: of t-SNE and UMAP.

    Returns:
        ``(N, 2)`` float64, centred and of unit Frobenius norm: the scale has no meaning.

    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if there are fewer than 4 images, the features are not finite or all the same,
            there is no such projection, or the package that it needs is not installed.

    Source:
        van der Maaten and Hinton, "Visualizing Data using t-SNE" (2008); initialisation by
        principal components after Kobak and Berens (2019). Both as scikit-learn has them; UMAP:
        McInnes et al. (2018), of their package.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> points = feature_map(torch.randn(20, 5, generator=generator), projection="pca")
        >>> points.shape, round(float(points.norm()), 6)
        (torch.Size([20, 2]), 1.0)
    """
    checks.choice("projection", projection, PROJECTIONS)
    checks.whole("seed", seed, at_least=0, at_most=2**32 - 1)
    rows = F.normalize(feature_rows("features", features).cpu(), dim=1)
    if projection == "umap" and find_spec("umap") is None:
        checks.refuse(
            "projection",
            "'tsne' or 'pca' where the package umap-learn is not installed",
            projection,
            "Install it with `pip install umap-learn`.",
        )
    components = _principal(rows, 2 if projection == "pca" else _REDUCED)
    if projection == "pca":
        points = components
    elif projection == "tsne":
        points = _tsne(components, seed)
    else:
        # By name: it need not be there, and it is slow to import.
        reducer = import_module("umap").UMAP(n_components=2, random_state=seed, n_jobs=1)
        points = np.asarray(reducer.fit_transform(components))
    return _standard(torch.from_numpy(np.ascontiguousarray(points, dtype=np.float64)))


@checked_call()
def align_map(points: Tensor, reference: Tensor) -> Tensor:
    """Turns and mirrors a map so that its points lie near those of another map of the images.

    The orthogonal map Q that minimises ||A Q - B||_F is U V^T of A^T B = U S V^T. Distances within
    the map stay.

    Args:
        points: ``(N, 2)`` float, of `feature_map`.
        reference: ``(N, 2)``, of the same images in the same order.

    Returns:
        ``(N, 2)`` float64, centred and of unit Frobenius norm.

    Raises:
        TypeError: if one is no tensor of floats.
        ValueError: if they have another shape or are not finite.

    Source:
        Schönemann, "A generalized solution of the orthogonal Procrustes problem" (1966).

    Example:
        >>> square = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
        >>> mirrored = square.flip(1)
        >>> bool(torch.allclose(align_map(mirrored, square), align_map(square, square)))
        True
    """
    for name, value in (("points", points), ("reference", reference)):
        checks.shape(name, value, ("N", 2))
        checks.dtype(name, value, checks.FLOATS)
        checks.all_finite(name, value, row="image")
    checks.same_length("points", points, "reference", reference)
    moved, fixed = _standard(points.double()), _standard(reference.double())
    left, _, right = torch.linalg.svd(moved.T @ fixed)
    return moved @ (left @ right)


def _principal(rows: Tensor, count: int) -> np.ndarray:
    """``(N, count)`` float64 scores; fewer where there are not so many, but at least two."""
    from sklearn.decomposition import PCA  # slow to import

    count = min(count, *rows.shape)
    scores: np.ndarray = PCA(count, svd_solver="full").fit_transform(rows.numpy())
    # Two columns at least, also of features of one column.
    return np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1]))))


def _tsne(components: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE  # slow to import

    # Of the size at which t-SNE wants to begin; scikit-learn's own "pca" would compute it anew.
    start = components[:, :2] / max(float(components[:, 0].std()), 1e-12) * 1e-4
    points: np.ndarray = TSNE(
        perplexity=min(_PERPLEXITY, (len(components) - 1) / 3),
        init=start.astype(np.float32),
        random_state=seed,
        n_jobs=1,
    ).fit_transform(components)
    return points


def _standard(points: Tensor) -> Tensor:
    centred = points - points.mean(0)
    length = centred.norm()
    return centred / length if bool(length > 0) else centred
