"""Packages that only some formats need: imported when one is opened."""

from __future__ import annotations

import importlib
from types import ModuleType


def import_package(name: str, what: str) -> ModuleType:
    """The module of a package of the extra ``sources``.

    Args:
        name: of the module.
        what: needs it, for the message.

    Raises:
        ImportError: if it is not installed.

    Example:
        >>> import_package("no_such_package", "NoImages")
        Traceback (most recent call last):
        ImportError: NoImages needs the package no_such_package: pip install "instdisc[sources]"
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if error.name != package:  # it is there, and something that it needs is not
            raise
        raise ImportError(
            f'{what} needs the package {package}: pip install "instdisc[sources]"'
        ) from error
