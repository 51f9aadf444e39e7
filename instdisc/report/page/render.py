"""The page as text, from what its sections show."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(content: Mapping[str, Any]) -> str:
    """Fills the template; texts are escaped, so that no name in a record is markup.

    Args:
        content: by the names of the template.
    """
    style, script = _file("style.css"), _file("sort.js")
    # No other script runs, and nothing is loaded: the browser sees to it.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = _environment().get_template("template.html")
    return template.render(content, style=style, script=script, script_hash=digest)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
