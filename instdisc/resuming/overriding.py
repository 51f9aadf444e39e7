"""Hooks of a module that a subclass overrides."""

from __future__ import annotations

from typing import NoReturn

from pytorch_lightning import LightningModule


def refuse_override(module: LightningModule, hook: str) -> NoReturn:
    """Refuses a subclass whose hook leaves out what the run needs.

    Args:
        module: of that class.
        hook: whose part was left out.

    Raises:
        TypeError: names hook and class.
    """
    raise TypeError(
        f"`{hook}` of {type(module).__name__} must call that of its parent, without which the run "
        f"goes wrong. Write super().{hook}(...) in it"
    )
