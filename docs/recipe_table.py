"""The table of published rows, made from the heads of the recipes whenever the pages are built."""

import re
from typing import Any

from instdisc.cli.recipes import Recipe, read_recipe, recipe_names

PAGE = "published"
MARKER = "<!-- The table of recipes stands here. -->"
TITLES = {
    "pretrain": "Pretraining",
    "detection": "Detection",
    "segmentation": "Segmentation",
    "landmarks": "Landmarks",
    "ablations": "Ablations",
}
MEASURED = "measured with this recipe"  # what the head of a recipe says beside a number of ours


def add_recipe_table(app: Any, page: str, source: list[str]) -> None:
    """Puts the table where the page has its marker."""
    if page == PAGE:
        before, after = source[0].split(MARKER)
        source[0] = before + recipe_table() + after


def recipe_table() -> str:
    """A table for each kind of recipe, in Markdown."""
    recipes = [read_recipe(name) for name in recipe_names()]
    lines = []
    for kind, title in TITLES.items():
        rows = [recipe for recipe in recipes if recipe.name.startswith(f"{kind}/")]
        lines += [f"### {title}", ""]
        lines += ["| row | recipe | expected | measured here | cost |", "|---|---|---|---|---|"]
        lines += [_row(recipe) for recipe in rows]
        lines.append("")
    return "\n".join(lines)


def _row(recipe: Recipe) -> str:
    measured = "as expected" if MEASURED in recipe.expected else "not run"
    name = re.sub("([/_])", r"\1<wbr>", recipe.name)  # may be broken there: a narrow column
    cells = [recipe.what, f"<code>{name}</code>", recipe.expected, measured, recipe.cost]
    return "| " + " | ".join(cell.replace("|", "\\|") or "not stated" for cell in cells) + " |"
