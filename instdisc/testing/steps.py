"""What must hold in the first steps of a method.

Legend: B batch.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from instdisc.methods import Contrast, PretrainModule
from instdisc.types import Bank, Views

from .runs import fit
from .watching import Calls, Recorder, check, watch_calls


def check_two_steps(module: PretrainModule, batches: Sequence[Views]) -> None:
    """Losses, gradients, what the objectives are given and what they say, and their queues.

    Args:
        module: an untrained method; it is copied.
        batches: two.

    Raises:
        AssertionError: if something does not hold.
    """
    module = copy.deepcopy(module)
    objectives: dict[str, Any] = dict(module.objectives.items())
    watched = {name: watch_calls(objective) for name, objective in objectives.items()}
    banks = [_watch_bank(objective) for objective in contrasts(module)]
    recorder = Recorder()
    fit(module, batches, recorder)
    check(all(bool(torch.isfinite(loss)) for loss in recorder.losses), "the loss is not finite")
    check(
        not recorder.without_gradient,
        f"no gradient reaches {sorted(recorder.without_gradient)[:5]}",
    )
    frozen = [
        name
        for name, parameter in module.named_parameters()
        if "momentum_" in name and parameter.requires_grad
    ]
    check(not frozen, f"momentum copies are trained: {frozen[:5]}")
    for name, calls in watched.items():
        _check_calls(name, objectives[name], calls, batches)
    _check_statistics(recorder.statistics[-1])  # at first there may be nothing to take a mean of
    for objective, seen in zip(contrasts(module), banks, strict=True):
        _check_queue(objective, seen, batches)


def contrasts(module: PretrainModule) -> list[Contrast]:
    """The objectives with a queue of keys."""
    return [term for term in module.objectives.values() if isinstance(term, Contrast)]


def _check_calls(name: str, objective: Any, calls: Calls, batches: Sequence[Views]) -> None:
    steps = len(batches)
    check(
        len(calls.queries) == steps,
        f"the loss of objective {name!r} was computed {len(calls.queries)} times in {steps} steps",
    )
    for kind, seen in (("queries", calls.queries), ("keys", calls.keys)):
        named = sorted(getattr(objective, kind))
        check(
            all(views == named for views in seen),
            f"objective {name!r} names the views {named} in `{kind}` and is given {seen[0]}",
        )
    check(not any(calls.keys_have_gradient), f"a gradient flows to the keys of {name!r}")
    check(
        len(calls.begun) == steps,
        f"`begin_batch` of {name!r} was called {len(calls.begun)} times in {steps} steps",
    )
    for step, (batch, (indices, done)) in enumerate(zip(batches, calls.begun, strict=True)):
        check(
            indices is not None and torch.equal(indices, batch.indices),
            f"`begin_batch` of {name!r} was not told the positions of the images in the batch",
        )
        check(
            done == step / steps,
            f"`begin_batch` of {name!r} was told that {done} of the run was done, and it was "
            f"{step / steps}",
        )
    sizes = objective.structure()
    check(
        json.loads(json.dumps(sizes, default=str)) == sizes,
        f"`structure()` of {name!r} must have values that JSON can hold, got {sizes}",
    )


def _check_statistics(statistics: dict[str, Any]) -> None:
    for name, value in statistics.items():
        check(
            isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point(),
            f"`statistics()` must be float tensors of no dimension, and {name} is "
            f"{getattr(value, 'shape', value)}",
        )
        check(bool(value.isfinite()), f"`statistics()` must be finite, and {name} is {value}")
        check(not value.requires_grad, f"`statistics()` must be without gradient, not {name}")


def _watch_bank(objective: Contrast) -> list[bool]:
    """Notes at each call of the loss whether a given key is in the bank already."""
    seen: list[bool] = []

    def look(loss: Any, arguments: tuple[Tensor, Tensor | None, Bank, Tensor]) -> None:
        _, key, bank, _ = arguments
        inside = key is not None and bool(
            torch.isclose(key @ bank.features.T, torch.tensor(1.0), atol=1e-5).any()
        )
        seen.append(inside)

    objective.loss.register_forward_pre_hook(look)
    return seen


def _check_queue(objective: Contrast, seen: list[bool], batches: Sequence[Views]) -> None:
    check(
        not any(seen),
        "a key stands among its own negatives: it was pushed before the loss was computed",
    )
    queue, labels = objective.queue, torch.cat([batch.labels for batch in batches])
    check(
        int(queue.pushed) == len(labels),
        f"{int(queue.pushed)} keys were pushed for {len(labels)} images",
    )
    count = min(queue.size, len(labels))
    newest = (queue.pushed - 1 - torch.arange(count)) % queue.size
    check(
        torch.equal(queue.labels[newest], labels.flip(0)[:count]),
        "the queue does not hold the labels of the batches in step with the keys",
    )
    lengths = queue.features[newest].norm(dim=1)
    check(torch.allclose(lengths, torch.ones(count), atol=1e-3), "keys are not of unit length")
