"""Where a run began, as its recipe and its backbone tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from instdisc.checkpoint.info import pretraining_of
from instdisc.models import Backbone
from instdisc.types import About, InputSpec


def start_of(backbone: Backbone) -> dict[str, str]:
    """What a backbone is before it is trained: how it was pretrained, its file, its weights' hash.

    Args:
        backbone: one to train.

    Returns:
        ``pretraining``, ``checkpoint`` and ``weights`` as in `About`, those that say something;
        empty for random weights.

    Example:
        >>> backbone = Backbone("test_resnet")
        >>> backbone.origin = About(pretraining="MoCoModule", checkpoint="moco.safetensors")
        >>> start = start_of(backbone)
        >>> start["pretraining"], start["checkpoint"], len(start["weights"])
        ('MoCoModule', 'moco.safetensors', 32)
    """
    if backbone.origin is None:
        return {}
    about = backbone.about()
    fields = ("pretraining", "checkpoint", "weights")
    return {name: value for name in fields if (value := getattr(about, name))}


def shown_to(datamodule: Any) -> InputSpec | None:
    """How a data module shows images to the backbone; ``None`` if it does not tell.

    Args:
        datamodule: with `policies` of its views, as `ViewData`; or any, or ``None``.
    """
    policies = getattr(datamodule, "policies", None)
    first: Any = policies[0] if isinstance(policies, list | tuple) and policies else None
    if not all(hasattr(first, name) for name in ("frame", "mean", "std")):  # no ViewPolicy
        return None
    return InputSpec(first.frame.size, tuple(first.mean), tuple(first.std))


def trained_from(method: str, start: Mapping[str, str]) -> About:
    """The origin of a backbone that a method trains.

    Args:
        method: name of its class.
        start: see `start_of`.

    Example:
        >>> trained_from("SupervisedModule", {"pretraining": "MoCoModule"}).pretraining
        'SupervisedModule, from MoCoModule'
    """
    return About(method=method, pretraining=pretraining_of(method, {"start": start}))
