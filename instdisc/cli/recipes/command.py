"""List the published recipes, show one, or copy one to change it.

    instdisc recipes                       # all, a line each
    instdisc recipes detection             # those whose name holds a word: number, cost, command
    instdisc recipes show pretrain/moco_v2
    instdisc recipes copy pretrain/moco_v2 my_recipe.yaml

A command takes a recipe by its name: instdisc pretrain --config pretrain/moco_v2 ...
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from ..suggestions import did_you_mean
from .files import Recipe, read_recipe, recipe_names, recipe_path

_MOST_IN_FULL = 16
_ROOMS = ("pretrain", "detection", "segmentation", "landmarks", "gpu", "ablations")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints or copies; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="instdisc recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", help="a part of names; or show NAME; or copy NAME TO")
    words = parser.parse_args(arguments).words
    if words[:1] == ["show"]:
        if len(words) != 2:
            parser.error("show takes one name")
        print(recipe_path(words[1]).read_text(encoding="utf-8"), end="")
        return 0
    if words[:1] == ["copy"]:
        if len(words) not in (2, 3):
            parser.error("copy takes a name and, if you like, a file or folder")
        print(_copy(words[1], Path(words[2]) if len(words) == 3 else Path()))
        return 0
    names = [name for name in recipe_names() if all(word in name for word in words)]
    if not names:
        hint = did_you_mean(words[0], [*recipe_names(), "show", "copy"])
        print(f"instdisc recipes: no name holds {' '.join(words)!r}.{hint}", file=sys.stderr)
        return 1
    recipes = [read_recipe(name) for name in sorted(names, key=_place)]
    if len(recipes) > _MOST_IN_FULL:
        print("\n".join(_line(recipe) for recipe in recipes))
        print("\nWith number, cost and command: instdisc recipes WORD, a part of their names")
    else:
        print("\n\n".join(_listed(recipe) for recipe in recipes))
    return 0


def _place(name: str) -> tuple[int, str]:
    """What most look for first."""
    room = name.partition("/")[0]
    return (_ROOMS.index(room) if room in _ROOMS else len(_ROOMS)), name


def _line(recipe: Recipe) -> str:
    """Name, what, and the number to expect, in one line."""
    width = max(shutil.get_terminal_size((120, 24)).columns, 60)
    expected = f" Expected: {recipe.expected}" if recipe.expected else ""
    return textwrap.shorten(f"{recipe.name}: {recipe.what}{expected}", width, placeholder=" ...")


def _listed(recipe: Recipe) -> str:
    width = shutil.get_terminal_size((100, 24)).columns
    facts = {"": recipe.what, "expected: ": recipe.expected, "cost: ": recipe.cost}
    lines = [recipe.name]
    for title, text in facts.items():
        if text:
            lines += textwrap.wrap(
                title + text, max(width, 40), initial_indent="  ", subsequent_indent="    "
            )
    if recipe.command:
        lines.append(f"  {recipe.command}")
    return "\n".join(lines)


def _copy(name: str, target: Path) -> str:
    """Copies a recipe; says where and how it is used.

    Raises:
        FileExistsError: if the target is there.
    """
    recipe = read_recipe(name)
    if target.is_dir():
        target = target / recipe.path.name
    if target.exists():
        raise FileExistsError(f"{target} is there already: choose another name")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(recipe.path, target)
    command = recipe.command.replace(f"--config {recipe.name}", f"--config {target}", 1)
    return f"{target}\n{command}"
