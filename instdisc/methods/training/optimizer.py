"""The optimisers that pretraining offers."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from ..objectives import ParameterOptions

OptimizerName = Literal["sgd", "lars", "adamw"]


def make_optimizer(
    name: OptimizerName,
    groups: Mapping[ParameterOptions, Sequence[nn.Parameter]],
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float,
    fused: bool = False,
) -> torch.optim.Optimizer:
    """An optimiser of groups of parameters.

    A state that is loaded into it takes its form: a run may go on with another `fused` or memory
    format than it began with.

    LARS is timm's, which updates all parameters by few kernels and waits for no norm on the host.
    Until release 0.1.0 it was lightly's. The steps are the same but for rounding, with one
    exception: a parameter whose gradient is exactly zero is still decayed, as by SGD (lightly left
    it). Runs that began with lightly's go on.

    Args:
        name: ``"sgd"``, ``"lars"`` or ``"adamw"``.
        groups: what to train, see `parameter_groups`. LARS has no trust ratio for those that
            have no weight decay.
        learning_rate: base rate.
        weight_decay: L2 penalty (decoupled for AdamW), of the groups that have any.
        momentum: of SGD and LARS.
        fused: update all parameters by one kernel, if SGD or AdamW; equal but for rounding.
    """
    settings = [
        {
            "params": list(parameters),
            "lr": learning_rate * options.rate,
            "weight_decay": weight_decay if options.decays else 0.0,
        }
        for options, parameters in groups.items()
    ]
    if name == "lars":
        lars = _lars()(settings, learning_rate, momentum=momentum, weight_decay=weight_decay)
        lars.register_load_state_dict_pre_hook(_rename_settings)
        return lars
    trained = [parameter for group in groups.values() for parameter in group]
    form = True if fused and _has_kernel(trained) else None  # None: torch's choice
    if name == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            settings, learning_rate, momentum=momentum, weight_decay=weight_decay, fused=form
        )
    else:
        optimizer = torch.optim.AdamW(
            settings, learning_rate, weight_decay=weight_decay, fused=form
        )
    optimizer.register_load_state_dict_pre_hook(functools.partial(_keep_form, form=form))
    optimizer.register_load_state_dict_post_hook(_restride)
    return optimizer


def _lars() -> Any:
    """Timm's LARS.

    Importing timm's optimisers lets torch compile a function anew a million times; the limit of
    torch is restored, since a network that changes at each step would never run uncompiled.
    """
    limit = torch._dynamo.config.recompile_limit
    from timm.optim import Lars

    torch._dynamo.config.recompile_limit = limit
    return Lars


def clips_gradients(module: LightningModule) -> bool:
    """Whether a run clips gradients, by its Trainer or by a hook of the module.

    Lightning does not clip those of a fused optimiser in mixed precision.
    """
    has_hook = (
        type(module).configure_gradient_clipping is not LightningModule.configure_gradient_clipping
    )
    return has_hook or bool(module.trainer.gradient_clip_val)


def _has_kernel(parameters: Sequence[nn.Parameter]) -> bool:
    """On other devices, and of sharded parameters, not every optimiser has."""
    return all(
        parameter.device.type in ("cuda", "cpu") and type(parameter.data) is Tensor
        for parameter in parameters
    )


def _rename_settings(
    optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]
) -> dict[str, Any]:
    """Settings of lightly's LARS under timm's names; its momentum has the same form."""
    groups = []
    for group in state_dict["param_groups"]:
        group = dict(group)
        if "trust_coefficient" in group:
            group["trust_coeff"] = group.pop("trust_coefficient")
        groups.append({**optimizer.defaults, **group})
    return {**state_dict, "param_groups": groups}


def _keep_form(
    optimizer: torch.optim.Optimizer, state_dict: dict[str, Any], *, form: bool | None
) -> dict[str, Any]:
    """The form is part of what an optimiser saves, and AdamW keeps its counters by it."""
    groups = [{**group, "fused": form, "foreach": None} for group in state_dict["param_groups"]]
    return {**state_dict, "param_groups": groups}


def _restride(optimizer: torch.optim.Optimizer) -> None:
    """A fused kernel walks through parameters and state side by side, as they lie in memory."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
