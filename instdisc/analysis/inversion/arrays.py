"""What an evaluation of inversions leaves on disk: its arrays, and where it stands meanwhile.

Legend: N images, S stages, K distances, T steps, H x W size of the view, P side of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc.transfer import save_predictions

from .distances import TITLES
from .invert import Inversion
from .state import run_key

_KEPT = 100  # steps whose loss is kept


def save_inversions(
    arrays: str | Path | None,
    thumbnail: int,
    positions: Sequence[int],
    names: Sequence[str],
    pixels: Tensor,
    inversions: Sequence[Inversion],
    values: Sequence[Mapping[str, Tensor]],
) -> None:
    """Writes what `inversion_figure` draws; see `evaluate_inversion` for the names.

    Args:
        arrays: the ``.npz`` file; ``None`` writes nothing.
        thumbnail: P, side of the pictures; 0: none.
        positions: S of the stages, from 0.
        names: N of the images.
        pixels: ``(N, 3, H, W)`` from 0 to 1.
        inversions: S of them, each of all images.
        values: S times the distances by name, each ``(N,)``.
    """
    losses = torch.stack([inversion.losses for inversion in inversions])  # (S, T, N)
    kept = np.unique(np.linspace(0, losses.shape[1] - 1, _KEPT).round().astype(int))
    columns: dict[str, Any] = {
        "stages": torch.tensor(positions) + 1,
        "image": list(names),
        "distance_names": [TITLES[name] for name in values[0]],
        "distances": torch.stack(
            [torch.stack([at_stage[name] for at_stage in values]) for name in values[0]]
        )
        if values[0]
        else np.zeros((0, len(positions), len(names))),
        "feature_errors": torch.stack([inversion.errors for inversion in inversions]),
        "loss_steps": kept,
        "losses": losses[:, kept],
    }
    if thumbnail:
        columns["originals"] = _small(pixels, thumbnail)
        columns["reconstructions"] = torch.stack(
            [_small(inversion.reconstructions, thumbnail) for inversion in inversions]
        )
    save_predictions(arrays, columns)


class Unfinished:
    """Hidden files beside the arrays, from which a killed run goes on."""

    def __init__(self, arrays: str | Path | None, pixels: Tensor, options: Mapping[str, Any]):
        self._arrays = None if arrays is None else Path(arrays)
        self._key = "" if arrays is None else run_key([pixels], options)[:16]
        self._files: list[Path] = []

    def file(self, stage: int, first: int, seed: int) -> Path | None:
        """Of some images at a stage; ``None`` without arrays."""
        if self._arrays is None:
            return None
        name = f".{self._arrays.stem}_{self._key}_{seed}_stage{stage}_{first}.partial"
        self._files.append(self._arrays.with_name(name))
        return self._files[-1]

    def remove(self) -> None:
        """Removes them all."""
        for file in self._files:
            file.unlink(missing_ok=True)


def _small(pixels: Tensor, side: int) -> Tensor:
    """``(N, P, P, 3)`` uint8; never enlarged."""
    if max(pixels.shape[2:]) > side:
        scale = side / max(pixels.shape[2:])
        size = [max(1, round(scale * length)) for length in pixels.shape[2:]]
        pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True)
    return (255 * pixels.clamp(0, 1)).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
