"""detectron2's pickles of numpy arrays, read without running anything else."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from .layouts import State

# What an array in a pickle is made by, under the names of numpy 1 and 2.
_HARMLESS = {
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),  # of bytes, in old protocols
}


def read_pickle(path: Path) -> State | None:
    """The weights in detectron2's pickle of pretrained weights.

    Args:
        path: any file.

    Returns:
        Its arrays as tensors under detectron2's names; ``None`` if it is something else.

    Raises:
        pickle.UnpicklingError: if the pickle names a class or function that an array has no need
            of; it is not run.
    """
    with path.open("rb") as file:
        if file.read(1) != b"\x80":
            return None
        file.seek(0)
        content = _Reader(file, encoding="latin1").load()
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not model:
        return None
    if not all(isinstance(value, np.ndarray) and _counts(value) for value in model.values()):
        return None
    return {str(name): torch.from_numpy(np.array(value)) for name, value in model.items()}


class _Reader(pickle.Unpickler):
    def __init__(self, file: IO[bytes], *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"Unsupported global: {module}.{name}")
        return super().find_class(module, name)


def _counts(array: np.ndarray) -> bool:
    return array.dtype.kind in "fiub"
