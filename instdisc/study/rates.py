"""The learning rate of each method, chosen on images of the source that no pretraining sees."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from instdisc.checkpoint import load_backbone
from instdisc.transfer import evaluate_linear, extract_features

from .budget import Budget
from .preset import Preset
from .pretraining import all_threads, pretrain
from .sources import SourceImages


class Trial(NamedTuple):
    """A learning rate to try."""

    method: str
    rate: float

    @property
    def name(self) -> str:
        """E.g. ``moco-rate-0.06``."""
        return f"{self.method}-rate-{self.rate:g}"

    @property
    def key(self) -> str:
        """Tells it from all others."""
        return self.name


def try_rate(
    preset: Preset, trial: Trial, source: SourceImages, folder: Path, budget: Budget
) -> dict[str, Any]:
    """Pretrains by a learning rate and reads the classes out on the held-out images.

    Returns:
        What is kept of a trial; ``value`` is the top-1 of a logistic regression in %.

    Raises:
        BudgetSpent: between two epochs.
    """
    assert preset.rates is not None  # else there are no trials
    start = time.perf_counter()
    run = pretrain(
        preset,
        trial.method,
        seed=preset.rates.seed,
        learning_rate=trial.rate,
        epochs=preset.rates.epochs,
        images=source.train,
        folder=folder,
        budget=budget,
    )
    with all_threads(preset.threads):
        backbone = load_backbone(run.path)
        train, test = (
            extract_features(backbone, images, image_size=preset.image_size)
            for images in (source.readout, source.held_out)
        )
        record = evaluate_linear(train, test, seed=preset.rates.seed)
    return {
        "method": trial.method,
        "learning_rate": trial.rate,
        "value": record.value,
        "low": record.low,
        "high": record.high,
        "n": record.n,
        "loss": run.loss,
        "steps": run.steps,
        "seed": preset.rates.seed,
        "seconds": round(time.perf_counter() - start, 1),
    }


def chosen_rate(preset: Preset, method: str, trials: Iterable[Mapping[str, Any]]) -> float | None:
    """The rate of the best trial of a method, the smallest of equals; ``None`` for the module's.

    Raises:
        LookupError: if a trial is missing.
    """
    if preset.rates is None or not preset.methods[method].module:
        return None
    values = {
        trial["learning_rate"]: trial["value"] for trial in trials if trial["method"] == method
    }
    if not set(preset.rates.grid) <= set(values):
        raise LookupError(f"the learning rates of {method} are not all tried")
    return max(sorted(preset.rates.grid), key=lambda rate: values[rate])
