"""The command `instdisc`: help, mistakes, exit statuses, and how fast it answers."""

import subprocess
import sys

import pytest

from instdisc.cli import main
from instdisc.cli.main import COMMANDS
from instdisc.cli.recipes import read_recipe, recipe_names, recipe_path, resolve_recipes

WITHOUT_TORCH = """
import sys
from instdisc.cli import main
status = main({arguments})
heavy = {{"torch", "pytorch_lightning", "numpy", "jsonargparse"}} & set(sys.modules)
assert not heavy, heavy
sys.exit(status)
"""


def run(*arguments: str) -> subprocess.CompletedProcess:
    code = WITHOUT_TORCH.format(arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "status", "shown"),
    [
        (["--help"], 0, "instdisc COMMAND --help"),
        ([], 2, "usage: instdisc"),
        (["--version"], 0, "instdisc 0."),
        (["pretran"], 2, "Did you mean pretrain?"),
        (["recipes"], 0, "pretrain/moco_v2"),
        (["recipes", "copy", "moco_v4"], 1, "Did you mean"),
        (["transfer", "--checkpoint=random", "--checkpoint", "b=none/x.pt"], 1, "got 'none/x.pt'"),
        (["analyse", "--checkpoint=none/x.pt"], 1, "There is no folder 'none'"),
    ],
)
def test_these_answer_without_torch(arguments, status, shown):
    done = run(*arguments)
    assert shown in done.stdout + done.stderr
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "recipes"])
def test_help_of_a_command_says_what_it_does(name, capsys):
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    head = shown.split("options:")[0]
    assert f"usage: instdisc {name} [options]" in head
    assert f"\n    instdisc {name} " in head  # an example
    assert "Lightning Trainer command line tool" not in shown


def test_help_of_pretrain_shows_the_options_of_the_methods(capsys):
    main(["pretrain", "--help"])
    shown = capsys.readouterr().out
    for text in ("MoCoModule", "queue_size: 65536", "SupConModule", "--model.help"):
        assert text in shown, text


def test_a_misspelt_option(capsys):
    assert main(["transfer", "--checkpont", "random"]) == 2
    shown = capsys.readouterr().err
    assert "--checkpont" in shown
    assert "Did you mean checkpoint?" in shown
    assert len(shown.splitlines()) == 2


def test_an_error_is_one_line_unless_asked(capsys, tmp_path):
    missing = ["resize", str(tmp_path / "none"), str(tmp_path / "to")]
    assert main(missing) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("instdisc resize: error: ")
    assert "none" in shown
    assert "Traceback" not in shown
    assert len(shown.splitlines()) == 2
    with pytest.raises((OSError, ValueError), match="none"):
        main(["--debug", *missing])


def test_print_config_is_yaml(capsys):
    assert main(["transfer", "--checkpoint", "random", "--data", "a", "--print_config"]) == 0
    assert "checkpoint:\n- random\n" in capsys.readouterr().out


def test_recipes_are_copied_and_used_by_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["recipes", "copy", "pretrain/moco_v2", "mine.yaml"]) == 0
    assert "instdisc pretrain --config mine.yaml" in capsys.readouterr().out
    assert (tmp_path / "mine.yaml").read_bytes() == recipe_path("pretrain/moco_v2").read_bytes()
    assert main(["recipes", "copy", "pretrain/moco_v2", "mine.yaml"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert resolve_recipes(["--config", "mine.yaml"]) == ["--config", "mine.yaml"]
    named = str(recipe_path("detection/voc07"))
    assert resolve_recipes(["--config=voc07", "--config", "detection/voc07"]) == [
        f"--config={named}",
        "--config",
        named,
    ]
    with pytest.raises(ValueError, match="neither a file nor a recipe 'voc08'. Did you mean voc07"):
        resolve_recipes(["--config", "voc08"])
    with pytest.raises(ValueError, match="several recipes are called 'moco_v2'"):
        recipe_path("moco_v2")
    with pytest.warns(FutureWarning, match="write detection/voc07 for"):
        assert resolve_recipes(["--config", "examples/configs/detection/voc07.yaml"])[1] == named


@pytest.mark.parametrize("name", recipe_names())
def test_the_list_has_the_facts_of_every_recipe(name):
    recipe = read_recipe(name)
    assert recipe.what
    assert recipe.command.startswith("instdisc ")
    head = recipe.path.read_text().split("\n\n")[0]
    assert bool(recipe.expected) == ("# Expected" in head)
    assert bool(recipe.cost) == ("# Cost" in head)
