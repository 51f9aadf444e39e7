"""What the package imports is what it asks for, and CITATION.cff tells the same version."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

import instdisc

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "instdisc"
# Needed although no file imports them.
UNSEEN = {
    "jsonargparse": "Lightning's command line",
    "tensorboard": "writes what Lightning's default logger logs",
    "pyyaml": "recipes",
}


def distribution(name: str) -> str:
    """One spelling for each, of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> dict[str, str]:
    """Of setup.py's ``install_requires``: the requirement by the name of its distribution."""
    (call,) = [
        node
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup"
    ]
    (listed,) = [k.value for k in call.keywords if k.arg == "install_requires"]
    return {distribution(re.match(r"[\w.-]+", text)[0]): text for text in ast.literal_eval(listed)}


def imports(node: ast.AST) -> Iterator[str]:
    """The packages that a file needs: not for its types alone, and not if it can do without."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Try) and any(
        handler.type is not None and "ImportError" in ast.unparse(handler.type)
        for handler in node.handlers
    ):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield str(node.module).partition(".")[0]
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


@cache
def imported() -> dict[str, Path]:
    """A file that imports each distribution."""
    known = packages_distributions()
    return {
        distribution(known.get(name, [name])[0]): path
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in imports(ast.parse(path.read_text(encoding="utf-8")))
        if name not in sys.stdlib_module_names and name != "instdisc"
    }


def test_whatever_is_imported_is_declared():
    undeclared = {k: v for k, v in imported().items() if k not in requirements()}
    assert undeclared == {}


def test_whatever_is_declared_is_imported():
    assert requirements().keys() - imported().keys() - UNSEEN.keys() == set()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b as c, d\nfrom e.f import g\nfrom . import h", ["a", "d", "e"]),
        ("def f():\n    import a", ["a"]),
        ("if TYPE_CHECKING:\n    import a", []),
        ("try:\n    import a\nexcept ImportError:\n    a = None", []),
        ("try:\n    import a\nexcept ValueError:\n    pass", ["a"]),
    ],
)
def test_checker_reads_imports(source, names):
    assert list(imports(ast.parse(source))) == names


def test_hydra_stays_out():
    """lightly imports it, with all of its configuration; tests and benchmarks alone may."""
    assert not {"lightly", "hydra-core", "omegaconf"} & imported().keys()


def test_package_data_is_there():
    """A pattern that meets no file would leave a template out of the wheel unnoticed."""
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    patterns = ast.literal_eval(re.search(r"package_data=(\{.*?\})", text, re.DOTALL)[1])
    for package, names in patterns.items():
        folder = ROOT / package.replace(".", "/")
        missing = [name for name in names if folder.is_dir() and not any(folder.glob(name))]
        assert missing == [], package


def test_citation_tells_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == instdisc.__version__
    assert citation["cff-version"] == "1.2.0"
    assert [reference["year"] for reference in citation["references"]] == [2021, 2021]
