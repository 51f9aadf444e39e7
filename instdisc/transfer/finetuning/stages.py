"""The last stages of a backbone: which weights they hold, and how they begin anew."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import torch

from instdisc import checks
from instdisc.models import Backbone

_PURPOSE = 0x5E5E7  # keeps these draws apart from a network's first ones of the same seed


def last_stage_names(backbone: Backbone, last_stages: int) -> list[str]:
    """The weights and statistics of the last stages, and of what follows them.

    Args:
        backbone: of which.
        last_stages: how many; with 0 there are none.

    Returns:
        Names in the state of ``backbone.net``.

    Example:
        >>> names = last_stage_names(Backbone("test_vit"), 1)
        >>> sorted({name.split(".")[0] for name in names}), names[0]
        (['blocks', 'norm'], 'blocks.5.norm1.weight')
    """
    names = list(backbone.net.state_dict())
    if not last_stages:
        return []
    first = backbone.stages[-last_stages] + "."
    rows = (row for row, name in enumerate(names) if name.startswith(first))
    return names[next(rows, len(names)) :]


def reset_last_stages(backbone: Backbone, reset_stages: int, *, seed: int = 0) -> None:
    """Lets the last stages, and what follows them, begin from random weights; in place.

    They get what a new network of the same arguments has there: its weights, and the statistics of
    its batch norm. The draw follows from the seed, and is not the one that a network made after
    ``torch.manual_seed(seed)`` begins with: the result is no return to a run's first weights.

    Args:
        backbone: whose last stages are drawn.
        reset_stages: how many; with 0 nothing changes.
        seed: of the draw.

    Raises:
        ValueError: if `reset_stages` is more than the backbone has, or the backbone is of a class
            that its `spec` does not build.

    Example:
        >>> backbone = Backbone("test_resnet")
        >>> before = {name: value.clone() for name, value in backbone.net.state_dict().items()}
        >>> reset_last_stages(backbone, 1, seed=3)
        >>> after = backbone.net.state_dict()
        >>> sorted({name.split(".")[0] for name in after if not after[name].equal(before[name])})
        ['layer4']
    """
    check_reset_stages(backbone, reset_stages, None)
    if not reset_stages:
        return
    first = int(np.random.SeedSequence((seed, _PURPOSE)).generate_state(1, np.uint64)[0] >> 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(first)
        drawn = _build(backbone).net.state_dict()
    state = backbone.net.state_dict()
    if {name: value.shape for name, value in state.items()} != {
        name: value.shape for name, value in drawn.items()
    }:
        _refuse(backbone)
    with torch.no_grad():
        for name in last_stage_names(backbone, reset_stages):
            state[name].copy_(drawn[name])


def check_reset_stages(backbone: Backbone, reset_stages: int, last_stages: int | None) -> None:
    """Refuses more stages than there are, or than train.

    Raises:
        ValueError: if there are fewer stages, or fewer train.
    """
    stages = len(backbone.stages)
    if reset_stages > stages:
        rule = f"0 to {stages}, the stages of {backbone.name!r}"
        checks.refuse("reset_stages", rule, reset_stages)
    if last_stages is not None and reset_stages > last_stages:
        checks.refuse(
            "reset_stages",
            f"at most `last_stages`={last_stages}, so that stages of random weights train",
            reset_stages,
        )


def _build(backbone: Backbone) -> Backbone:
    try:
        return type(backbone)(**backbone.spec)
    except TypeError:
        _refuse(backbone)


def _refuse(backbone: Backbone) -> NoReturn:
    checks.refuse(
        "reset_stages",
        f"0 for a {type(backbone).__name__}, which its `spec` does not build again",
        backbone.spec,
    )
