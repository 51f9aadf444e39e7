"""The options of each method, as ``instdisc pretrain --help`` lists them."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

from instdisc import methods


def method_options() -> str:
    """A paragraph for each method: its options with their defaults; first what all have.

    Example:
        >>> "queue_size: 65536" in method_options()
        True
    """
    options = {
        name: _options(value)
        for name, value in vars(methods).items()
        if inspect.isclass(value)
        and issubclass(value, methods.PretrainModule)
        and value is not methods.PretrainModule
    }
    shared = set.intersection(*map(set, options.values()))
    paragraphs = [f"every method: {', '.join(sorted(shared))}"]
    paragraphs += [
        f"{name}: {', '.join(text for text in texts if text not in shared)}"
        for name, texts in options.items()
    ]
    listed = [textwrap.fill(text, 100, subsequent_indent="    ") for text in paragraphs]
    return "\n".join(
        [
            "methods and their options, given as --model.OPTION beside --model METHOD",
            "(what each means: --model.help METHOD):",
            *(textwrap.indent(text, "  ") for text in listed),
        ]
    )


def _options(method: type) -> list[str]:
    parameters = inspect.signature(method).parameters.values()
    return [f"{parameter.name}{_default(parameter.default)}" for parameter in parameters]


def _default(value: Any) -> str:
    return "" if value is inspect.Parameter.empty else f": {value}"
