"""How the tasks that train use Lightning's Trainer: silently, and telling how far they are."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from instdisc.checks import describe_infinite, refuse, whole

_CHECK_EVERY = 20  # steps: looking at a number makes a GPU wait
_PICTURES = {".png", ".jpg", ".jpeg", ".pdf", ".svg", ".webp", ".gif", ".tif", ".tiff", ".bmp"}


@contextmanager
def quiet_trainer(
    accelerator: str,
    devices: int | str | list[int],
    precision: str,
    *,
    epochs: int | None = None,
    test_every: int | None = None,
    steps: int | None = None,
    callbacks: Sequence[Callback] = (),
) -> Iterator[Trainer]:
    """A trainer that writes nothing, neither to disk nor on the screen.

    Args:
        accelerator: of Lightning's Trainer.
        devices: how many, or which.
        precision: of the arithmetic.
        epochs: to train.
        test_every: epochs between two tests; ``None`` tests after the last alone.
        steps: to train instead of `epochs`; the test is left to the caller.
        callbacks: more of them.
    """
    if devices == []:
        refuse("devices", "a number of devices, 'auto', or a list of at least one", devices)
    schedule: dict[str, Any]
    if steps is not None:
        schedule = {
            "max_steps": steps,
            "check_val_every_n_epoch": None,
            "val_check_interval": steps + 1,
            "limit_val_batches": 1.0,
        }
    else:
        assert epochs is not None
        every = epochs if test_every is None else min(test_every, epochs)
        schedule = {"max_epochs": epochs, "check_val_every_n_epoch": every}
    log = logging.getLogger("pytorch_lightning")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # How many workers read is the caller's choice, and the frozen stages are in eval mode
            # on purpose; the last is Lightning's own affair.
            warnings.filterwarnings("ignore", "Found .* in eval mode at the start of training")
            warnings.filterwarnings("ignore", "The '?\\w+'? does not have many workers")
            warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated")
            yield Trainer(
                accelerator=accelerator,
                devices=devices,
                precision=precision,  # type: ignore[arg-type]  # a user's string; Lightning checks it
                num_sanity_val_steps=0,
                log_every_n_steps=1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                callbacks=list(callbacks),
                **schedule,
            )
    finally:
        log.setLevel(level)


def accelerator_device(accelerator: str) -> str:
    """Where Lightning computes, as torch says it, for a record.

    Example:
        >>> accelerator_device("cpu")
        'cpu'
    """
    if accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available()):
        return "cuda"
    return "mps" if accelerator == "mps" else "cpu"


def batch_per_process(batch_size: int, processes: int, *, images: int | None = None) -> int:
    """The part of a batch that each process takes.

    Args:
        batch_size: of all processes together.
        processes: how many.
        images: that there are; ``None``: any number. A batch cannot be larger.

    Raises:
        TypeError, ValueError: if it is no positive whole number, or does not part.
    """
    whole("batch_size", batch_size)
    together = batch_size if images is None else min(batch_size, images)
    if together % processes:
        refuse("batch_size", f"a multiple of the {processes} processes", together)
    return together // processes


def check_precision(trainer: Trainer) -> None:
    """Refuses a precision that converts what boxes, points and colours are computed from.

    Raises:
        ValueError: for ``"16-true"``, ``"bf16-true"`` and ``"64-true"``.
    """
    if str(trainer.precision) in ("bf16-true", "16-true", "64-true"):
        refuse(
            "precision",
            "'32-true', 'bf16-mixed' or '16-mixed' of the Trainer",
            str(trainer.precision),
            "Boxes, points and colours are computed in float32.",
        )


def check_losses(losses: Mapping[str, Tensor], step: int, remedy: str, images: Tensor) -> None:
    """Refuses to go on where a loss is not finite; looks at every twentieth step.

    Args:
        losses: by name, each a number.
        step: of the training.
        remedy: what to do, a sentence.
        images: ``(B, ...)`` of the batch; looked at where a loss is not finite.

    Raises:
        ValueError: if one is not finite; names all, and says so if the images are not either.
    """
    if step % _CHECK_EVERY == 0 and not torch.stack(list(losses.values())).isfinite().all():
        values = ", ".join(f"{name} {value.item():.3g}" for name, value in losses.items())
        reason = describe_infinite({"images": images})
        advice = f"{reason}." if reason else remedy
        raise ValueError(f"the training diverged at iteration {step}: {values}. {advice}")


def check_weights(network: nn.Module, remedy: str) -> None:
    """Refuses to test a network that has no numbers left.

    Args:
        network: what was trained.
        remedy: what to do, a sentence.

    Raises:
        ValueError: if a weight is not finite; names it.
    """
    numbers = {
        name: value.isfinite().all()
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }
    if not torch.stack(list(numbers.values())).all():
        name = next(name for name, finite in numbers.items() if not finite)
        raise ValueError(f"the weights {name!r} are not finite: the training diverged. {remedy}")


def pictures_folder(pictures: str | Path | None) -> Path | None:
    """Where a task draws what it has found.

    Raises:
        ValueError: if it is a file, or is named like one.
    """
    if pictures is None:
        return None
    folder = Path(pictures)
    if folder.suffix.lower() in _PICTURES or folder.is_file():
        refuse("pictures", "a folder", str(pictures), "The files in it have names of their own.")
    return folder


class StepTeller(Callback):
    """Reports the progress after each step of the optimiser.

    Args:
        tell: is called with the steps done and the number of steps; ``None``: nothing is called.
    """

    def __init__(self, tell: Callable[[int, int], None] | None) -> None:
        self._tell = tell
        self._total = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._total = int(trainer.estimated_stepping_batches)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._tell is not None:
            self._tell(trainer.global_step, self._total)
