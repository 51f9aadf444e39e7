"""Pickled arrays, read without running code from them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from .layout import LayoutError, first_file


def _dtype(code: str, align: object = False, copy: object = False) -> np.dtype:
    """As numpy makes it; old pickles have 0 and 1 for False and True, which numpy 2.4 warns of."""
    return np.dtype(code, align=bool(align), copy=bool(copy))


# The function that numpy's arrays are pickled with; its module has had two names.
_RECONSTRUCT = np.zeros(1).__reduce__()[0]
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
}


def read_pickle(root: Path, name: str) -> dict[str, Any]:
    """A pickled dict of arrays, numbers, lists and text.

    Raises:
        LayoutError: if the file is missing or broken, holds something else, or would run code.
    """
    first_file(root, [name])
    try:
        with (root / name).open("rb") as opened:
            read = _ArraysOnly(opened, encoding="latin1").load()  # those of Python 2 have bytes
    except Exception as error:  # pickle raises anything at broken bytes
        raise LayoutError(f"{name} is not a pickle of arrays: {error!r}") from error
    if not isinstance(read, dict):
        raise LayoutError(f"{name} holds a {type(read).__name__}, not a dict")
    return read


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):  # bytes of Python 3 in an old protocol
            return _encode
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants to load {module}.{name}")
        return _ALLOWED[module, name]


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding)
