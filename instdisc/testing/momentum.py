"""How the momentum encoders of a method must move."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from instdisc.methods import PretrainModule
from instdisc.methods.training.schedule import cosine_between
from instdisc.types import Views

from .runs import fit
from .watching import Recorder, check, copied_from, momentum_encoders, move, snapshot


def check_momentum(module: PretrainModule, batches: Sequence[Views]) -> None:
    """Names of the encoders, their rule, their schedule; with two micro-batches to a step.

    Args:
        module: an untrained method; it is copied.
        batches: four.

    Raises:
        AssertionError: if something does not hold.
    """
    module = copy.deepcopy(module)
    encoders = momentum_encoders(module)
    names = dict(module.named_modules())
    for name in encoders:
        place = copied_from(name)
        check(
            place != name and place in names,
            f"the momentum encoder {name} must be called momentum_X, beside the X that it copies",
        )
    first = {name: encoder.momentum for name, encoder in encoders.items()}
    move(module, 0.01)
    start, recorder = snapshot(module), Recorder()
    fit(module, batches, recorder, accumulate_grad_batches=2)
    for name in start:
        encoder, is_inside, _ = name.partition(".module.")
        if not is_inside or encoder not in encoders:
            continue
        middle, end = recorder.parameters[0][name], recorder.parameters[1][name]
        check(
            torch.equal(start[name], middle),
            f"{name} moved after a micro-batch: momentum is updated once per optimiser step",
        )
        momentum = recorder.momenta[1][encoder]
        original = recorder.parameters[1][copied_from(name)]
        expected = torch.lerp(start[name], original, 1 - momentum)
        check(
            torch.allclose(end, expected, rtol=1e-6, atol=1e-8),  # m = 0.999 moves by 1e-5
            f"{name} does not follow k <- m k + (1 - m) q after an optimiser step",
        )
    if module.final_momentum is None:
        return
    for step, done in ((1, 0.0), (3, 0.5)):
        for name, momentum in recorder.momenta[step].items():
            expected_momentum = cosine_between(first[name], module.final_momentum, done)
            check(
                abs(momentum - expected_momentum) < 1e-9,
                f"m of {name} is {momentum} when {done:.0%} of the run is done, and on its way to "
                f"`final_momentum`={module.final_momentum} should be {expected_momentum}. Make the "
                "encoder before super().__init__ is called",
            )
