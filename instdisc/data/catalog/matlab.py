"""Arrays in MATLAB's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .layout import LayoutError, first_file


def read_mat(root: Path, name: str, variables: Sequence[str]) -> dict[str, np.ndarray]:
    """Variables of a ``.mat`` file.

    Raises:
        LayoutError: if the file is missing or broken, or has no such variable.
    """
    from scipy.io import loadmat  # of scikit-learn's dependencies; slow to import

    first_file(root, [name])
    try:
        read: dict[str, Any] = loadmat(root / name, variable_names=list(variables))
    except Exception as error:  # scipy raises anything at broken bytes
        raise LayoutError(f"{name} is not a MATLAB file: {error!r}") from error
    for variable in variables:
        if variable not in read:
            raise LayoutError(f"{name} has no variable {variable!r}")
    return {variable: read[variable] for variable in variables}
