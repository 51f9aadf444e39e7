"""What a study has to do, in an order in which whatever is done compares the methods evenly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .preset import Preset, Round
from .rates import Trial


class Cell(NamedTuple):
    """A pretraining with the targets of a round."""

    method: str
    seed: int
    round: Round

    @property
    def name(self) -> str:
        """Of its checkpoint: the same in all rounds."""
        return f"{self.method}-{self.seed}"

    @property
    def key(self) -> str:
        """Tells it from all others, those of other rounds included."""
        return f"{self.name} {self.round.name}"


def trials_left(preset: Preset, trials: Iterable[Mapping[str, Any]]) -> Iterator[Trial]:
    """Rate after rate, methods in order."""
    done = {(trial["method"], trial["learning_rate"]) for trial in trials}
    for rate in preset.rates.grid if preset.rates else ():
        for method, entry in preset.methods.items():
            if entry.module and (method, rate) not in done:
                yield Trial(method, rate)


def cells_left(
    preset: Preset, trials: list[dict[str, Any]], cells: Iterable[Mapping[str, Any]]
) -> Iterator[Cell]:
    """Round after round, seed after seed, methods in order; those whose rate is known."""
    done = {(cell["method"], cell["seed"], cell["round"]) for cell in cells}
    waiting = {trial.method for trial in trials_left(preset, trials)}
    for entry in preset.rounds:
        for seed in entry.seeds:
            for method in entry.methods or preset.methods:
                if (method, seed, entry.name) not in done and method not in waiting:
                    yield Cell(method, seed, entry)
