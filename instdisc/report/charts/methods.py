"""Which methods a figure shows, and how each is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..comparison import Comparison
from ..kinds import is_called_random
from ..material import Material
from .measured import label_methods
from .style import Style, make_styles

MOST_METHODS = 8  # in one figure


class Methods(NamedTuple):
    """All methods of a report.

    Attributes:
        order: their labels, from the best mean rank to the worst; those without a rank last.
        styles: of each.
    """

    order: list[str]
    styles: dict[str, Style]

    def choose(self, present: Iterable[str], most: int = MOST_METHODS) -> list[str]:
        """The methods that a figure has room for: those of the best mean rank, and random weights.

        Args:
            present: methods that have what the figure shows.
            most: how many it has room for.
        """
        present = set(present)
        chosen = [method for method in self.order if method in present]
        if len(chosen) <= most:
            return chosen
        base = [method for method in chosen if is_called_random(method)][:1]
        rest = [method for method in chosen if method not in base]
        return [*rest[: most - len(base)], *base]

    def left_out(self, present: Iterable[str], most: int = MOST_METHODS) -> str:
        """A sentence that says which methods `choose` left out; ``""`` if none."""
        count = len(set(present) & set(self.order))
        if count <= most:
            return ""
        return f" Of {count} methods {most} are shown: random weights and those of best mean rank."


def arrange(material: Material, comparison: Comparison) -> Methods:
    """The methods of a report in their order, with their styles."""
    labels = label_methods(material.records)
    ranked = [row.method for row in comparison.ranks]
    order = list(dict.fromkeys([*ranked, *comparison.methods, *labels]))
    return Methods(order, make_styles([*comparison.methods, *labels]))
