"""README does what it says: its Python runs, its files exist, and CI types its test command.

The pages of docs/ and CONTRIBUTING.md are held to the same where they name files.
"""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc import Backbone
from instdisc.analysis import ANALYSES
from instdisc.checkpoint import export_backbone
from instdisc.data import Scenes, ViewDataset, ViewFinisher
from instdisc.transfer import TASKS
from instdisc.types import InputSpec

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def named_files(command: str) -> list[str]:
    """The words of a shell command that name files of this checkout."""
    words = [word.partition("=")[2] or word for word in re.split(r"[\s'\"]+", command)]
    folders = ("examples/", "tests/", "docs/", "instdisc/", ".ci/")
    return [word for word in words if word.startswith(folders) or word.endswith((".py", ".yaml"))]


def setup_commands() -> list[str]:
    """The commands that start from nothing: they make an environment."""
    lines = "\n".join(blocks(README, "bash")).splitlines()
    return [line for line in lines if line.startswith("python3 -m venv ")]


def test_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "runs" / "images" / "checkpoints" / "backbone.safetensors"
    file.parent.mkdir(parents=True)
    backbone = Backbone("test_resnet")
    backbone.input = InputSpec(32)
    export_backbone(backbone, file)
    pixels = np.random.default_rng(0)
    for name in ("eurosat/2750", "my_images/train", "my_images/test"):
        for i in range(48):
            image = tmp_path / "data" / name / f"class{i % 6}" / f"{i}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(image)
    names: dict[str, object] = {"__name__": "readme"}  # later blocks go on from earlier ones
    for i, block in enumerate(blocks(README, "python")):
        exec(compile(block, f"README.md, Python block {i + 1}", "exec"), names)


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")
@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no")
@pytest.mark.parametrize("page", ["extend.md", "moco_on_one_screen.md"])
def test_python_blocks_of_the_docs_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TASKS, "data", dict(TASKS.data))  # tasks that a page adds go again
    module = ModuleType("docs_page")  # a class is pickled by the name of its module
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for i, block in enumerate(blocks((ROOT / "docs" / page).read_text("utf-8"), "python")):
        exec(compile(block, f"docs/{page}, Python block {i + 1}", "exec"), vars(module))


def test_the_step_of_ones_own_in_the_docs_runs():
    (block,) = blocks((ROOT / "docs" / "pretrain.md").read_text(encoding="utf-8"), "python")
    names: dict[str, Any] = {"__name__": "docs"}
    exec(compile(block, "docs/pretrain.md", "exec"), names)
    policies = [names["policy"]]
    raw = ViewDataset(Scenes(20, image_size=64), policies).batch([(0, i) for i in range(20)])
    assert 0 < (raw.numbers[0][:, -1] > 0).sum() < 20
    images = ViewFinisher(policies)(raw).images[0]
    torch.testing.assert_close(images, policies[0].finish(raw.views[0], raw.numbers[0]))


@pytest.mark.slow
def test_the_analyses_in_the_docs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("moco", "supervised"):
        backbone = Backbone("test_resnet")
        backbone.input = InputSpec(32)
        export_backbone(backbone, tmp_path / f"{name}.safetensors")
    names: dict[str, Any] = {"__name__": "docs"}
    for i, block in enumerate(blocks((ROOT / "docs" / "analyse.md").read_text("utf-8"), "python")):
        exec(compile(block, f"docs/analyse.md, Python block {i + 1}", "exec"), names)
    assert not names["records"].missing
    assert {file.name for file in (tmp_path / "runs" / "analyse" / "figures").iterdir()} == {
        *("scenes_cka.png", "scenes_similarity.png", "scenes_neighbours.png")
    }
    assert names["gains"]["Loc"] > names["gains"]["Cls"] == 0  # every box is shifted, no class


def test_the_docs_name_every_analysis():
    page = (ROOT / "docs" / "analyse.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(ANALYSES)


def test_names_of_the_analyses_in_the_docs_are_public():
    page = (ROOT / "docs" / "analyse.md").read_text("utf-8")
    named = re.findall(r"\{py:\w+\}`~?(instdisc\.[\w.]+)`", page)
    assert len(named) > 5
    for name in named:
        pkgutil.resolve_name(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_files_that_exist(page: Path):
    commands = "\n".join(blocks(page.read_text(encoding="utf-8"), "bash"))
    assert [name for name in named_files(commands) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", text)
    targets += re.findall(r"^```\{literalinclude\} (\S+)$", text, re.MULTILINE)
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_two_commands_start_from_nothing():
    quickstart, tests = setup_commands()
    assert quickstart.endswith("/python examples/quickstart.py")
    assert tests.endswith("/python -m pytest")
    assert all(" && .venv/bin/pip install -e " in command for command in (quickstart, tests))


def test_ci_runs_the_readme_test_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (extraction,) = re.findall(r"^test_command=.*$", script, re.MULTILINE)
    printed = subprocess.run(
        ["bash", "-euc", f'{extraction}\nprintf %s "$test_command"'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == setup_commands()[1]
    assert '-c "$test_command"' in script
    assert "pip install" not in script  # the environment is the one that README makes


def test_named_files_are_found():
    command = "a/python examples/b.py --config=examples/c.yaml d.py --n 3 -e '.[dev]'"
    assert named_files(command) == ["examples/b.py", "examples/c.yaml", "d.py"]
