"""Short runs on made-up batches, for the batteries and for tests of your own.

Legend: B batch.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from instdisc.methods import PretrainModule
from instdisc.types import Views

NUM_CLASSES = 4


def make_batches(
    count: int,
    batch_size: int,
    image_size: int,
    *,
    num_views: int = 2,
    num_small_views: int = 0,
) -> list[Views]:
    """Random batches with views of each image, always the same; the last views at half the size."""
    generator = torch.Generator().manual_seed(1)
    sizes = [image_size] * (num_views - num_small_views) + [image_size // 2] * num_small_views
    return [
        Views(
            [torch.randn((batch_size, 3, size, size), generator=generator) for size in sizes],
            torch.randint(NUM_CLASSES, (batch_size,), generator=generator),
            torch.arange(number * batch_size, (number + 1) * batch_size),
        )
        for number in range(count)
    ]


def fit(
    module: PretrainModule,
    batches: Sequence[Any],
    *callbacks: Callback,
    ckpt_path: Path | None = None,
    **options: Any,
) -> Trainer:
    """One epoch over the batches on the CPU, without logs and files."""
    defaults: dict[str, Any] = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        "log_every_n_steps": 1,
    }
    with _quiet():
        trainer = Trainer(**{**defaults, **options}, callbacks=list(callbacks))
        loader = _Batches(batches)
        trainer.fit(module, loader, ckpt_path=None if ckpt_path is None else str(ckpt_path))
    return trainer


class _Batches(DataLoader):
    """Ready batches; goes on after those that were handed out before a checkpoint."""

    def __init__(self, batches: Sequence[Any]) -> None:
        super().__init__(list(batches), batch_size=None)  # type: ignore[arg-type]
        self._start = self._done = 0

    def __iter__(self) -> Any:
        self._done, self._start = self._start, 0
        while self._done < len(self):
            self._done += 1
            yield self.dataset[self._done - 1]

    @property
    def batch_size(self) -> int | None:
        """Of the ready batches, if they are such; what a method scales its learning rate by."""
        labels = self.dataset[0][1]
        return len(labels) or None if isinstance(labels, Tensor) and labels.ndim else None

    @batch_size.setter
    def batch_size(self, value: int | None) -> None:
        """Torch's is None for batches that are ready."""

    def state_dict(self) -> dict[str, int]:
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._start = state["done"]


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's hints about devices, workers and log folders have no place in a check."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
