"""The commands that docs/ shows have only options that there are, and name recipes that exist.

tests/cli/test_recipes.py runs those of README and of docs/published.md.
"""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from instdisc.cli.main import COMMANDS
from instdisc.cli.recipes import recipe_path, resolve_recipes

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs").glob("*.md"))
# `instdisc pretrain --help` cannot list options of a class that only the command line names.
OF_A_CLASS = re.compile(r"pretrain --(model|data\.images)\.|.*\.init_args\.")


def commands(text: str) -> list[list[str]]:
    """The commands of instdisc in the fenced blocks of a page, as words."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(blocks))
    lines = re.findall(r"^(?:\.venv/bin/)?instdisc (.*)$", joined, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


SHOWN = [(page.name, words) for page in PAGES for words in commands(page.read_text("utf-8"))]


@pytest.mark.parametrize(("page", "words"), SHOWN, ids=[page for page, _ in SHOWN])
def test_command_and_recipes_exist(page: str, words: list[str]):
    assert words[0] in COMMANDS
    if words[:2] == ["recipes", "copy"]:
        recipe_path(words[2])
    resolve_recipes(words)


@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")
@pytest.mark.parametrize("command", sorted({words[0] for _, words in SHOWN}))
def test_options_exist(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        importlib.import_module(f"instdisc.cli.{command}").main(["--help"])
    listed = set(re.findall(r"--[\w.-]+", capsys.readouterr().out))
    shown = {
        word.partition("=")[0]
        for _, words in SHOWN
        if words[0] == command
        for word in words
        if word.startswith("--") and not OF_A_CLASS.match(f"{command} {word}")
    }
    assert shown <= listed
