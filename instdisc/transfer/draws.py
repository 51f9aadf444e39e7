"""Random numbers that a network draws while it trains: dropout, the choice of regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule

_KEY = "instdisc_draws"  # in a checkpoint


class StepDraws:
    """Makes what a network draws depend on seed, step and process alone.

    So a resumed run repeats it, whatever was drawn elsewhere in the meantime; and whoever draws
    elsewhere is not disturbed, since the generators are put back. Generators are seeded by the
    host: a GPU is not waited for.

    Attributes:
        seed: of the run: that of torch's generator when it began, on the first process; a resumed
            run goes on with the one in its checkpoint.

    Example:
        >>> draws = StepDraws(seed=1)
        >>> def numbers(step):
        ...     with draws.at(step):
        ...         return torch.rand(2).tolist()
        >>> first, second = numbers(0), numbers(0)  # two batches of one step
        >>> draws = StepDraws(seed=1)
        >>> [numbers(0) == first, numbers(0) == second, first == second]
        [True, True, False]
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._loaded = False
        self._place = (-1, 0)  # step, and how many of its batches came before

    def begin(self, module: LightningModule) -> None:
        """Takes the seed of a run that begins, or goes on; for ``on_train_start``."""
        if not self._loaded:
            # Of one process: so the checkpoint, which is one, holds that of all.
            self.seed = module.trainer.strategy.broadcast(torch.initial_seed())
            self._place = (-1, 0)
        self._loaded = False

    @contextmanager
    def at(self, step: int, process: int = 0, device: torch.device | str = "cpu") -> Iterator[None]:
        """Within, torch's generators stand where a batch of a step has them.

        Args:
            step: of the optimiser.
            process: its rank.
            device: where the network is; the CPU's generator is set in any case.
        """
        before, number = self._place
        self._place = step, number + 1 if step == before else 0
        sources = (self.seed, step, self._place[1], process)
        seed = int(np.random.SeedSequence(sources).generate_state(1, np.uint64)[0] >> 1)
        generators = _generators(torch.device(device))
        states = [generator.get_state() for generator in generators]
        try:
            for generator in generators:
                generator.manual_seed(seed)
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Puts itself into a checkpoint; for ``on_save_checkpoint``."""
        # The place, too: a step that accumulates goes on with its next batch.
        checkpoint[_KEY] = {"seed": self.seed, "place": list(self._place)}

    def load(self, checkpoint: Mapping[str, Any]) -> None:
        """Becomes those of a checkpoint, if it has any; for ``on_load_checkpoint``."""
        stored = checkpoint.get(_KEY)
        if stored is not None:
            step, number = stored["place"]
            self.seed, self._place, self._loaded = stored["seed"], (step, number), True


def _generators(device: torch.device) -> list[torch.Generator]:
    """Those that a network on a device draws from where it names none."""
    generators = [torch.default_generator]
    if device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    elif device.type != "cpu":
        kind: Any = torch.get_device_module(device)
        generators.append(kind.default_generators[device.index or 0])
    return generators
