"""Ridge regression for every penalty and every target from one eigendecomposition.

Legend: N images, D width, T targets, R rank, L penalties.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call

from ..inputs import feature_rows

_AT_ONCE = 2**25  # values


class RidgePath:
    """Linear maps from features to targets for any penalty.

    Of penalty a it minimises

        ``sum_i |y_i - b - W' x_i|^2 + a |W|^2``

    over W and b; the intercept b is not penalised. The centred features are decomposed once,
    X = U S V'; after that a penalty costs a product: W = V (S^2 + a)^-1 S U' Y. The errors that it
    would make on an image that it was not fitted to follow without another fit: e_i / (1 - h_i)
    with h_i = 1 / N + sum_r u_ir^2 s_r^2 / (s_r^2 + a).

    Args:
        features: ``(N, D)`` float.
        targets: ``(N, T)`` float.

    Raises:
        TypeError, ValueError: see `feature_rows`; if the targets are not finite, or not as many.

    Source:
        Hoerl and Kennard (1970); the leave-one-out errors: Allen (1974). Same numbers as
        scikit-learn's ``Ridge`` and ``RidgeCV``.

    Example:
        >>> features = torch.eye(5, dtype=torch.float64)[:, :2]
        >>> path = RidgePath(features, features @ torch.tensor([[2.0], [3.0]]).double())
        >>> path.predict(features, 1e-9)[:, 0].round(decimals=3).abs()
        tensor([2., 3., 0., 0., 0.], dtype=torch.float64)
    """

    @checked_call()
    def __init__(self, features: Tensor, targets: Tensor) -> None:
        rows = feature_rows("features", features)
        checks.shape("targets", targets, (len(rows), "T"))
        checks.dtype("targets", targets, checks.FLOATS)
        targets = checks.all_finite("targets", targets, row="image").double()
        self.mean, self.level = rows.mean(0), targets.mean(0)  # (D,), (T,)
        centred, self._targets = rows - self.mean, targets - self.level
        # The smaller one of X'X and XX'.
        wide = centred.shape[1] > len(centred)
        gram = centred @ centred.T if wide else centred.T @ centred
        values, vectors = torch.linalg.eigh(gram)
        kept = values > values[-1] * max(centred.shape) * torch.finfo(values.dtype).eps
        self.spectrum, vectors = values[kept], vectors[:, kept]  # S^2 (R,)
        lengths = self.spectrum.sqrt()
        self.directions = centred.T @ vectors / lengths if wide else vectors  # V (D, R)
        self._coordinates = vectors * lengths if wide else centred @ vectors  # US (N, R)
        self._products = self._coordinates.T @ self._targets  # SU'Y (R, T)

    def weights(self, penalty: float) -> Tensor:
        """W of a penalty, ``(D, T)``; 0 is the least-squares map of least norm."""
        checks.finite("penalty", penalty, at_least=0)
        return self.directions @ (self._products / (self.spectrum + penalty)[:, None])

    def predict(self, features: Tensor, penalty: float) -> Tensor:
        """Targets of M images, ``(M, T)``, from features ``(M, D)``."""
        checks.shape("features", features, ("M", len(self.mean)))
        return (features.double() - self.mean) @ self.weights(penalty) + self.level

    def left_out_errors(self, penalties: Sequence[float]) -> Tensor:
        """Mean squared error on each image by a fit to all others, ``(L, T)``."""
        count, width = self._targets.shape
        shrunk = self.spectrum[:, None] + torch.tensor(list(penalties), dtype=self.mean.dtype)
        # The maps of all penalties side by side: one product for all.
        maps = (self._products[:, None] / shrunk[..., None]).flatten(1)  # (R, L T)
        errors = torch.zeros(len(penalties), width, dtype=self.mean.dtype)
        step = max(1, _AT_ONCE // max(maps.shape))
        for start in range(0, count, step):
            rows = self._coordinates[start : start + step]
            told = (rows @ maps).unflatten(1, errors.shape)  # (rows, L, T)
            # 1 - h; it is 0 where a fit without penalty goes through the image.
            free = (1 - 1 / count - rows.square() @ shrunk.reciprocal()).clamp(min=1e-12)
            wrong = (self._targets[start : start + step, None] - told) / free[..., None]
            errors += wrong.square().sum(0)
        return errors / count
