"""Keeps the layout: imports run one way, and every room has a name of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "instdisc"

# Each level may import the levels before it; rooms on one level never import each other.
LEVELS = [
    {"version"},
    {"checks"},
    {"types", "distributed", "heap", "gpu", "writing", "loggers", "locking"},
    {"resuming", "lines"},
    {"worker_files"},
    {"records", "predictions", "runs"},
    {"data", "models", "losses", "metrics"},
    {"checkpoint"},
    {"methods", "transfer"},
    {"analysis"},
    {"callbacks"},
    {"study"},  # sees the report, too: its verdicts are made from records
]
# What a level would allow and the design does not.
NEVER = {
    "methods": {"data"},  # a loader of views is handed in
    "transfer": {"methods"},  # they see a checkpoint, not how it was trained
    "analysis": {"methods"},
}
REPORT_SEES = {"types", "checks", "records", "predictions", "runs", "writing", "metrics"}
SEE_EVERYTHING = {"__init__", "testing"}
NAMELESS = {"util", "utils", "helper", "helpers", "common", "core", "misc"}

ROOMS = set().union(*LEVELS) | {"report", "cli", "testing"}


def allowed(room: str) -> set[str]:
    """The rooms that files of ``room`` may import, itself among them."""
    if room in SEE_EVERYTHING:
        return ROOMS
    if room == "cli":
        return ROOMS - {"testing"}
    if room == "report":
        return REPORT_SEES | {room}
    more = {"report"} if room == "study" else set()
    (level,) = [i for i, rooms in enumerate(LEVELS) if room in rooms]
    return set().union({room}, more, *LEVELS[:level]) - NEVER.get(room, set())


def imported_rooms(source: str, path: str) -> Iterator[tuple[int, str]]:
    """(line, room) for every import of instdisc in the file at ``path`` inside the package.

    The room of a name that the top ``__init__`` re-exports is "__init__".
    """
    package = ["instdisc", *Path(path).parent.parts]
    for node in ast.walk(ast.parse(source)):
        targets: list[list[str]] = []
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = above + (node.module or "").split(".") * bool(node.module)
            targets = [[*origin, alias.name] for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            (name, *_) = node.args
            if isinstance(name, ast.Constant):
                targets = [str(name.value).split(".")]
        for top, *rest in targets:
            if top == "instdisc":
                yield node.lineno, rest[0] if rest and rest[0] in ROOMS else "__init__"


def violations(source: str, path: str) -> list[str]:
    """What is wrong with the imports of one file; ``path`` is relative to instdisc/."""
    room = Path(path).parts[0].removesuffix(".py")
    if room not in ROOMS | SEE_EVERYTHING:
        return [f"instdisc/{path}: {room!r} has no place in the layout; LEVELS above gives it one"]
    return [
        f"instdisc/{path}:{line}: {room} must not import {target}"
        for line, target in imported_rooms(source, path)
        if target not in allowed(room)
    ]


def nameless(path: str) -> list[str]:
    """The parts of a path that say nothing about what is inside."""
    return [part for part in Path(path).with_suffix("").parts if part.strip("_") in NAMELESS]


FILES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES)
def test_imports_run_one_way(path: str):
    assert violations((PACKAGE / path).read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize("path", FILES)
def test_every_room_has_a_name(path: str):
    assert nameless(path) == []


def test_top_init_is_short():
    lines = (PACKAGE / "__init__.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60


@pytest.mark.parametrize(
    ("path", "source", "target"),
    [
        ("types.py", "from .distributed import gather", "distributed"),
        ("losses/supcon.py", "from ..models import FeatureQueue", "models"),
        ("losses/supcon.py", "from instdisc.models.queue import FeatureQueue", "models"),
        ("losses/supcon.py", "import instdisc.models.queue as queue", "models"),
        ("losses/supcon.py", "from .. import models", "models"),
        ("losses/supcon.py", "from instdisc import models", "models"),
        ("losses/supcon.py", "from instdisc import FeatureQueue", "__init__"),
        ("losses/supcon.py", "import instdisc", "__init__"),
        ("losses/supcon.py", "def f():\n    from ..models import queue", "models"),
        ("losses/supcon.py", "import importlib\nimportlib.import_module('instdisc.data')", "data"),
        ("losses/__init__.py", "from ..metrics import accuracy", "metrics"),
        ("losses/deep/down.py", "from ...models import queue", "models"),
        ("models/queue.py", "from ..methods import MoCoModule", "methods"),
        ("methods/moco.py", "from ..data.views import MoCoViews", "data"),
        ("methods/moco.py", "from ..callbacks import OnlineKNN", "callbacks"),
        ("checkpoint.py", "from .methods import MoCoModule", "methods"),
        ("transfer/linear.py", "from ..methods import MoCoModule", "methods"),
        ("transfer/linear.py", "from ..analysis import cka", "analysis"),
        ("analysis/cka.py", "from ..methods import MoCoModule", "methods"),
        ("report/tables.py", "from ..transfer import finetune", "transfer"),
        ("checkpoint/load.py", "from ..transfer import finetune", "transfer"),
        ("analysis/cka.py", "from ..callbacks import OnlineKNN", "callbacks"),
        ("transfer/linear.py", "from ..callbacks import OnlineKNN", "callbacks"),
        ("checks.py", "from .types import Bank", "types"),
        ("report/tables.py", "from ..distributed import gather", "distributed"),
        ("methods/moco.py", "from ..testing import check_loss", "testing"),
        ("transfer/linear.py", "from ..report import table", "report"),
        ("study/claims/decide.py", "from instdisc.cli import main", "cli"),
        ("callbacks/knn.py", "from ..study import claims", "study"),
        ("report/page/write.py", "from ...study import claims", "study"),
    ],
)
def test_checker_sees_a_planted_violation(path: str, source: str, target: str):
    (found,) = violations(source, path)
    assert found.endswith(f"must not import {target}")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("losses/supcon.py", "import torch\nfrom ..types import Bank\nfrom .contrastive import C"),
        ("losses/supcon.py", "from instdisc.types import Bank\nfrom . import contrastive"),
        ("methods/moco.py", "from ..losses import SupConLoss\nfrom .. import distributed"),
        ("checkpoint.py", "from .models import Backbone\nfrom .version import __version__"),
        ("transfer/linear.py", "from ..checkpoint import load_backbone\nfrom .. import data"),
        ("report/tables.py", "from ..types import Record\nfrom .figures import bars"),
        ("testing.py", "from .data import scenes\nfrom .methods import M\nfrom .report import t"),
        ("study/claims/decide.py", "from instdisc.report.comparison import holm"),
        ("__init__.py", "from .methods import MoCoModule as MoCoModule\nfrom . import report"),
    ],
)
def test_checker_lets_the_layout_pass(path: str, source: str):
    assert violations(source, path) == []


def test_checker_sees_a_room_without_a_place():
    (found,) = violations("import torch", "trainer/loop.py")
    assert "has no place in the layout" in found


@pytest.mark.parametrize("path", ["utils.py", "data/helpers.py", "core/queue.py", "data/_utils.py"])
def test_checker_sees_a_nameless_room(path: str):
    assert len(nameless(path)) == 1
