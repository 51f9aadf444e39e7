"""How the documentation is built: `sphinx-build -W docs build/docs`."""

import pkgutil
from pathlib import Path
from typing import Any

import instdisc
from instdisc.version import __version__

project = "instdisc"
author = "instdisc contributors"
copyright = "instdisc contributors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
html_theme = "furo"
html_title = f"instdisc {version}"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# A single pair of backticks in a docstring names an argument or an object.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Source", "Differs from it", "Legend"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# An override that says nothing of its own is not listed; Lightning's own pages explain its hooks.
autodoc_inherit_docstrings = False


def write_api_pages(folder: Path) -> None:
    """One page for each public module of the package, so that none is forgotten."""
    folder.mkdir(exist_ok=True)
    for page in folder.glob("*.rst"):
        page.unlink()
    for module in pkgutil.iter_modules(instdisc.__path__):
        if module.name == "version":
            continue
        name = f"instdisc.{module.name}"
        lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :members:"]
        if module.ispkg:  # its public names are those that its __init__ re-exports
            lines += ["   :imported-members:"]
        (folder / f"{module.name}.rst").write_text("\n".join(lines) + "\n", encoding="utf-8")


def skip_field_alias(
    app: Any, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Leaves out "Alias for field number 0": the docstring's Attributes say what a field is."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def setup(app: Any) -> None:
    write_api_pages(Path(__file__).parent / "api")
    app.connect("autodoc-skip-member", skip_field_alias)
