"""With what settings a method trains: what a resume may change, what not, and the recipe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from instdisc.version import __version__

from ..objectives import Objective, is_stored

if TYPE_CHECKING:
    from .run import RunModule

_OF_OPTIMIZER = (
    "learning_rate",
    "weight_decay",
    "final_weight_decay",
    "sgd_momentum",
    "schedule",
    "warmup",
    "milestones",
    "reference_batch",
)


def fixed_settings(module: RunModule) -> dict[str, Any]:
    """What a run must keep: the weights, the optimiser's state and the queue belong to it.

    Args:
        module: as it is now.

    Returns:
        By the names of the arguments; ``method`` is the class of this library, or else the
        module's own: a subclass that only adds a hook goes on with its parent's run.
    """
    settings: dict[str, Any] = {
        "method": _method(module),
        "backbone": module.backbone.spec,
        "optimizer": module.optimizer_name,
        "decay": module.decay,
        "objectives": list(module.objectives),
    }
    parts: dict[str, dict[str, Any]] = {
        name: part.structure()
        for name, part in module.objectives.items()
        if isinstance(part, Objective)
    }
    for name in dict.fromkeys(name for sizes in parts.values() for name in sizes):
        values = {part: sizes[name] for part, sizes in parts.items() if name in sizes}
        if len(set(values.values())) == 1:
            settings[name] = next(iter(values.values()))
        else:
            settings |= {f"{part}.{name}": value for part, value in values.items()}
    return settings


def free_settings(module: RunModule) -> dict[str, Any]:
    """What a resume may change.

    The temperature and the weights of the terms are among it: they have no state, and a run may
    anneal them by hand. So are further arguments of a class of your own, if it saves them
    (``save_hyperparameters``). Those of the optimiser are not where ``configure_optimizers`` is
    your own: there Lightning restores what the checkpoint has.

    Args:
        module: as it is now.

    Returns:
        By the names of the arguments.
    """
    settings = {name: value for name, value in module.hparams.items() if name != "backbone"}
    settings |= {name: getattr(module, name) for name in _OF_OPTIMIZER}
    settings["batch_norm"] = module.batch_norm.mode
    settings["batch_norm_groups"] = module.batch_norm.groups
    momentum = getattr(module.momentum_backbone, "momentum", None)
    if momentum is not None and module.final_momentum is None:  # anyone's encoder may stand there
        settings["momentum"] = momentum
    left_out = set(fixed_settings(module))
    if not module.settings.keeps_optimizer:
        left_out |= set(_OF_OPTIMIZER)
    return {name: value for name, value in settings.items() if name not in left_out}


def recipe_of(module: RunModule) -> dict[str, Any]:
    """How a module was made and what its resumes changed, in JSON values.

    Args:
        module: as it is now; an attribute that was set since, as a search for the learning rate
            sets it, counts.

    Returns:
        The arguments by name; ``backbone``; ``start``, see `start_of`; and ``changes``: ``step``
        (how many were done), ``name``, ``before`` and ``after`` of each.
    """
    live = {name: getattr(module, name) for name in _OF_OPTIMIZER if name in module.hparams}
    settings = {
        "backbone": module.backbone.spec,
        **({"start": module.start} if module.start else {}),
        **module.hparams,
        **live,
        "changes": module.settings.recorded(),
    }
    recipe: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return recipe


def made_by(module: RunModule) -> dict[str, Any]:
    """What a checkpoint says of the module that it holds.

    Args:
        module: as it is now.
    """
    return {
        "backbone": module.backbone.spec,
        "method": type(module).__name__,
        "recipe": module.recipe,
        "version": __version__,
        "input": module.backbone.input._asdict(),
    }


def keep_queue(checkpoint: dict[str, Any]) -> None:
    """Puts the queues of the training beside averaged weights, if a callback put these first.

    Args:
        checkpoint: as Lightning's `WeightAveraging` leaves it, or as it is without; in place.
    """
    training = checkpoint.get("current_model_state", {})
    queues = {name: value for name, value in training.items() if is_stored(name)}
    checkpoint["state_dict"].update(queues)


def _method(module: RunModule) -> str:
    for kind in type(module).__mro__:
        place = kind.__module__.removeprefix("instdisc.methods.")
        is_method = place != kind.__module__ and not place.startswith("training.")
        if is_method and kind.__name__ != "PretrainModule":
            return kind.__name__
    return type(module).__name__
