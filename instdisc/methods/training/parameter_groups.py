"""Which parameters of a method the optimiser treats alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from ..objectives import Objective, ParameterOptions

if TYPE_CHECKING:
    from .run import RunModule

Decay = Literal["all", "weights"]


def parameter_groups(module: RunModule) -> dict[ParameterOptions, list[nn.Parameter]]:
    """The parameters that are trained, by how the optimiser treats them.

    Args:
        module: its `parameter_options` says how each is treated.

    Returns:
        In the order in which they come up first; a single group if nothing sets any apart.

    Example:
        >>> from instdisc.methods import SupervisedModule
        >>> module = SupervisedModule("test_resnet", num_classes=4)
        >>> [options.decays for options in parameter_groups(module)]
        [True]
        >>> module.decay = "weights"
        >>> {options.decays: max(p.ndim for p in group) for options, group in
        ...  parameter_groups(module).items()}
        {True: 4, False: 1}
    """
    groups: dict[ParameterOptions, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(module.parameter_options(name, parameter), []).append(parameter)
    return groups


def default_options(module: RunModule, name: str, parameter: nn.Parameter) -> ParameterOptions:
    """What an objective says of a parameter of its own, and the module's `decay` of all.

    Args:
        module: with its objectives.
        name: of the parameter within it.
        parameter: is of one dimension where it is a bias or of a norm.
    """
    options = _of_objective(module, name)
    if module.decay == "weights" and parameter.ndim <= 1:
        options = options._replace(decays=False)
    return options


def _of_objective(module: RunModule, name: str) -> ParameterOptions:
    place, _, rest = name.partition(".")
    if place != "objectives":
        return ParameterOptions()
    term, _, inner = rest.partition(".")
    objective: Any = module.objectives[term]
    assert isinstance(objective, Objective)
    return objective.parameter_options(inner)
