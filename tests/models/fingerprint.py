"""All of a backbone that somebody who uses it could change."""

from typing import Any

from instdisc.models import Backbone


def fingerprint(backbone: Backbone) -> dict[str, Any]:
    """Kinds, modes and hooks of the modules; form and need of gradients of the weights; identity.

    Weights and statistics are in it by their hash and that of their batches' counters.
    """
    modules = {
        name: (
            type(module),
            module.training,
            getattr(module, "groups", None),
            sum(
                len(getattr(module, hooks))
                for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
            ),
            sorted(name for name in vars(module) if not name.startswith("_")),
        )
        for name, module in backbone.named_modules()
    }
    weights = {
        name: (id(weight), weight.requires_grad, weight.dtype, weight.stride(), weight.device)
        for name, weight in backbone.named_parameters()
    }
    buffers = {
        name: (value.dtype, value.device, value.stride())
        for name, value in backbone.named_buffers()
    }
    counters = {
        name: int(value)
        for name, value in backbone.named_buffers()
        if name.endswith("num_batches_tracked")
    }
    return {
        "modules": modules,
        "weights": weights,
        "buffers": buffers,
        "hash": (backbone.about().weights, counters),
        "gradients": {name for name, p in backbone.named_parameters() if p.grad is not None},
        "input": backbone.input,
        "origin": backbone.origin,
    }
