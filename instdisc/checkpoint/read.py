"""From a file to named tensors, without running anything that the file holds."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

from .layouts import State
from .pickled import read_pickle

READABLE = (
    "Known are files of instdisc, Lightning checkpoints of instdisc, state dicts of its modules, "
    "and the layouts of facebookresearch/moco, torchvision, timm, lightly, solo-learn, "
    "transfer_broad and detectron2."
)


def read_file(path: Path) -> tuple[State, dict[str, Any]]:
    """Reads a safetensors file, what torch.save wrote or a pickle of arrays, by its content.

    Args:
        path: the file.

    Returns:
        The weights on the CPU, and what else the file holds: the metadata of a safetensors file,
        or the other entries of a checkpoint.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is truncated, damaged, foreign, or would need to run code.
    """
    with path.open("rb") as file:
        start = file.read(9)
    # A safetensors file begins with the length of its header (8 bytes), which is JSON.
    return _read_safetensors(path) if start[8:] == b"{" else _read_torch(path)


def some(names: list[str]) -> str:
    """The first ten of `names`, and how many there are."""
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"{shown} ({len(names)} in all)"


def _read_safetensors(path: Path) -> tuple[State, dict[str, Any]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} is not a whole safetensors file: it was truncated or damaged ({error}). "
            "Export or copy it again."
        ) from error


class _Inert:
    """Stands in for a class whose instances in a file do not matter here; does nothing."""

    def __new__(cls, *arguments: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# Settings and states of callbacks in checkpoints of older Lightning versions and of timm's script.
_INERT_CLASSES = (
    "argparse.Namespace",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
)


def _read_torch(path: Path) -> tuple[State, dict[str, Any]]:
    try:
        arrays = read_pickle(path)
        if arrays is not None:
            return arrays, {}
        with torch.serialization.safe_globals([(_Inert, name) for name in _INERT_CLASSES]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch.load raises almost anything for a file that is not its own
        if isinstance(error, pickle.UnpicklingError) and "nsupported global" in str(error):
            raise ValueError(
                f"{path} is a pickle with more than weights: it names {culprit(error)}, and to "
                "read that could run code, so nothing of it was read. If it is your own, write the "
                "weights alone where you made it, by torch.save(module.state_dict(), new_path) "
                "or instdisc.export_backbone(module, 'new.safetensors'); if not, ask its maker to."
            ) from error
        raise ValueError(
            f"{path} cannot be read: it was truncated or damaged, or is no checkpoint"
            f"{_reason(error)}. {READABLE}"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} must hold a dict, but holds a {type(content).__name__}. {READABLE} "
            "Save a module's state_dict()."
        )
    stored = content.get("state_dict", content.get("model", content))
    if not isinstance(stored, dict) or not stored:
        raise ValueError(f"{path} holds no weights. {READABLE}")
    odd = [str(key) for key, value in stored.items() if not isinstance(value, Tensor)]
    if odd:
        raise ValueError(f"{path} holds what are no weights: {some(odd)}. {READABLE}")
    return stored, {} if stored is content else content


def _reason(error: Exception) -> str:
    """What torch found, in brackets, without its advice to read the file unsafely."""
    text = str(error)
    reason = text.rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0]
    return f" ({reason})" if reason else ""


def culprit(error: Exception) -> str:
    """The class or function that a pickle names; torch and pickle wrap it in advice."""
    named = re.search(r"nsupported global: (?:GLOBAL )?([\w.]+)", str(error))
    return named[1] if named else "a class or function"
