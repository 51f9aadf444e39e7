"""How the documentation is built: `sphinx-build -W docs build/docs`."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the pages below are made by modules beside this

from api_pages import write_api_pages
from recipe_table import add_recipe_table

from instdisc.version import __version__

project = "instdisc"
author = "instdisc contributors"
copyright = "instdisc contributors"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
# Records of the study and what is made of them; its page is study.md.
exclude_patterns = ["study/*"]
html_theme = "furo"
html_title = f"instdisc {version}"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# The notebook is run by each build; an error in it fails the build.
nb_execution_mode = "force"
nb_execution_timeout = 600  # of a cell; on an idle core all take less than a minute
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

# A single pair of backticks in a docstring names an argument or an object.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Source", "Differs from it", "Legend"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# An override without a docstring is not listed; Lightning's own pages explain its hooks.
autodoc_inherit_docstrings = False


def skip_field_alias(
    app: Any, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Leaves out "Alias for field number 0": the docstring's Attributes say what a field is."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def setup(app: Any) -> None:
    write_api_pages(Path(__file__).parent / "api")
    app.connect("source-read", add_recipe_table)
    app.connect("autodoc-skip-member", skip_field_alias)
