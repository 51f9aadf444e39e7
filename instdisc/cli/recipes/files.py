"""The published recipes: YAML files of the package, each headed by what it is.

Imports nothing but the standard library: a list of recipes needs no torch.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..suggestions import did_you_mean

FOLDER = Path(__file__).parent
_FORMER = "examples/configs/"  # where recipes lay before release 0.3
_FIELDS = ("Expected", "Cost")


class Recipe(NamedTuple):
    """What the head of a recipe tells.

    Attributes:
        name: its path in the folder of recipes, without the suffix.
        path: the file.
        what: what it trains, in a sentence.
        command: that runs it.
        expected: the result to expect, with its source.
        cost: how long it takes, on what.
    """

    name: str
    path: Path
    what: str
    command: str
    expected: str
    cost: str


def recipe_names() -> list[str]:
    """The names of all recipes, sorted."""
    files = FOLDER.rglob("*.yaml")
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in files)


def read_recipe(name: str) -> Recipe:
    """The head of a recipe.

    Raises:
        ValueError: if there is no recipe of that name.
    """
    path = recipe_path(name)
    lines = [line[1:] for line in path.read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()]
    paragraphs = [part.strip("\n") for part in re.split(r"\n\s*\n", "\n".join(lines))]
    what = " ".join(paragraphs[0].split())
    commands = [part for part in paragraphs if part.lstrip().startswith("instdisc ")]
    fields = dict.fromkeys(_FIELDS, "")
    for entry in re.split(r"\n(?= \S)", "\n".join(lines)):  # what goes on is indented further
        match = re.match(r" (Expected|Cost)(?:,| then,)? ?([^:\n]*):", entry)
        if match:
            text = " ".join(entry[match.end() :].replace("\\\n", " ").split())
            fields[match[1]] = f"{match[2]}: {text}" if match[2] else text
    return Recipe(
        path.relative_to(FOLDER).with_suffix("").as_posix(),
        path,
        what,
        " ".join(re.sub(r"\\\n|#.*", " ", commands[0]).split()) if commands else "",
        fields["Expected"],
        fields["Cost"],
    )


def recipe_path(name: str) -> Path:
    """The file of a recipe.

    Args:
        name: of `recipe_names`, with or without ``.yaml``; its last part alone if that is unique.

    Raises:
        ValueError: if no recipe has that name, or several have it.
    """
    name = name.removesuffix(".yaml")
    names = recipe_names()
    if name in names:
        return FOLDER / f"{name}.yaml"
    matching = [entry for entry in names if entry.rpartition("/")[2] == name]
    if len(matching) == 1:
        return FOLDER / f"{matching[0]}.yaml"
    if matching:
        raise ValueError(f"several recipes are called {name!r}: {', '.join(matching)}")
    last = name.rpartition("/")[2]
    nearest = did_you_mean(last, {entry.rpartition("/")[2] for entry in names})
    hint = did_you_mean(name, names) or nearest
    raise ValueError(
        f"there is neither a file nor a recipe {name!r}.{hint} All recipes: instdisc recipes"
    )


def resolve_recipes(arguments: Sequence[str]) -> list[str]:
    """Command line arguments in which the names of recipes after ``--config`` are paths.

    Args:
        arguments: of a command. A ``--config`` that names a file stays as it is.

    Raises:
        ValueError: if one names neither a file nor a recipe.
    """
    resolved = []
    for before, word in zip(["", *arguments], arguments, strict=False):
        if before == "--config":
            word = _resolve(word)
        elif word.startswith("--config="):
            word = f"--config={_resolve(word.removeprefix('--config='))}"
        resolved.append(word)
    return resolved


def _resolve(name: str) -> str:
    if Path(name).is_file() or not re.fullmatch(r"[\w./-]+", name):  # else: YAML written out
        return name
    if name.startswith(_FORMER):
        warnings.warn(
            f"recipes are part of the package: write {name.removeprefix(_FORMER)[:-5]} for {name}",
            FutureWarning,
        )
        name = name.removeprefix(_FORMER)
    return str(recipe_path(name))
