"""Where a run began, as its recipe and its backbone tell."""

from __future__ import annotations

from collections.abc import Mapping

from instdisc.checkpoint.info import pretraining_of
from instdisc.models import Backbone
from instdisc.types import About


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
