"""Batch norms in another form: they compute otherwise, with the same weights and statistics.

A form is a subclass of the norm's class, and only the class of a norm changes: names, parameters,
buffers and checkpoints stay.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Forms = Mapping[type[nn.Module], type[nn.Module]]


def find_norms(module: nn.Module) -> dict[str, _BatchNorm]:
    """The batch norms of a module by name, in whatever form; without torch's `SyncBatchNorm`."""
    return {
        name: norm
        for name, norm in module.named_modules()
        if isinstance(norm, _BatchNorm) and not isinstance(norm, nn.SyncBatchNorm)
    }


def has_batch_norm(module: nn.Module) -> bool:
    """Whether a module has any batch norm, in whatever form."""
    return any(isinstance(part, _BatchNorm) for part in module.modules())


def plain_kind(norm: _BatchNorm) -> type[nn.Module]:
    """The class that a norm had before it was given a form."""
    kind: type[nn.Module] = getattr(type(norm), "plain", type(norm))
    return kind


def give_form(module: nn.Module, forms: Forms, deed: str) -> list[_BatchNorm]:
    """Gives every batch norm of a module a form, in place of the one that it has.

    Args:
        module: changed in place, or not at all.
        forms: by the class of a plain norm.
        deed: what the form does to a norm, for the message, e.g. ``"split"``.

    Returns:
        The norms.

    Raises:
        TypeError: if there is no form for a norm.
    """
    norms = find_norms(module)
    for name, norm in norms.items():
        if plain_kind(norm) not in forms:
            raise TypeError(
                f"`module` has at {name!r} a {type(norm).__name__}, which cannot be {deed}. "
                "Use batch_norm='plain', or a backbone with another norm."
            )
    for norm in norms.values():
        _set_class(norm, forms[plain_kind(norm)])
    return list(norms.values())


def take_back(module: nn.Module, forms: Forms) -> None:
    """Makes the norms of a module that have one of these forms plain again."""
    for norm in find_norms(module).values():
        if type(norm) in forms.values():
            _set_class(norm, plain_kind(norm))


def _set_class(norm: _BatchNorm, kind: type[nn.Module]) -> None:
    norm.__class__ = kind  # type: ignore[assignment]
    vars(norm).pop("groups", None)  # of a norm in groups
