"""Where an inversion stands, in a file: it can be killed and goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from instdisc import checks
from instdisc.writing import write_atomically

_FORMAT = "instdisc inversion 1"


def run_key(tensors: Sequence[Tensor], settings: Mapping[str, Any]) -> str:
    """A hash of all that an inversion's way depends on.

    Args:
        tensors: the images.
        settings: what else; values with a faithful ``repr``.

    Example:
        >>> run_key([torch.zeros(1)], {"seed": 0}) == run_key([torch.zeros(1)], {"seed": 1})
        False
    """
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    for tensor in tensors:
        digest.update(repr((tensor.shape, tensor.dtype)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def save_state(
    path: Path,
    key: str,
    step: int,
    losses: Tensor,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Writes a state: whole or not at all.

    Args:
        path: the file; its folder is made if need be.
        key: see `run_key`.
        step: how many are done.
        losses: of these, ``(step, B)``.
        network: that is trained.
        optimizer: that trains it.
    """
    content = {
        "format": _FORMAT,
        "key": key,
        "step": step,
        "losses": losses.cpu(),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    write_atomically(path, lambda file: torch.save(content, file))


def load_state(
    path: Path, key: str, steps: int, network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, Tensor]:
    """Continues from a file, if it is there.

    Args:
        path: the file.
        key: see `run_key`.
        steps: how many are wanted.
        network: becomes what it was.
        optimizer: likewise.

    Returns:
        How many steps are done, and their losses ``(step, B)``; 0 without a file.

    Raises:
        ValueError: if the file is damaged or no such state, of another run, or further than
            `steps`.
    """
    if not path.exists():
        return 0, torch.empty(0, 0)
    remedy = "Remove it, or choose another file."
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != _FORMAT:
            raise KeyError("format")
        stored, step, losses = content["key"], content["step"], content["losses"]
    except Exception as error:  # torch and zipfile raise anything at broken bytes
        # Only so much of it: torch's own text runs over lines.
        raise ValueError(
            f"`checkpoint` must be a state of an inversion, got {str(path)!r}, which is none or is "
            f"damaged ({type(error).__name__}). {remedy}"
        ) from error
    if stored != key:
        checks.refuse(
            "checkpoint",
            "of this very run: the same images, weights, stage and settings",
            str(path),
            remedy,
        )
    if step > steps:
        checks.refuse("steps", f"at least the {step} that are done in {str(path)!r}", steps, remedy)
    network.load_state_dict(content["network"])
    optimizer.load_state_dict(content["optimizer"])
    return int(step), losses
