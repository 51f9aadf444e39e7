"""What a misspelt word may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A sentence that names the nearest choices, or nothing.

    Args:
        word: what was typed.
        choices: the allowed words.

    Example:
        >>> did_you_mean("pretran", ["pretrain", "report"])
        ' Did you mean pretrain?'
    """
    nearest = difflib.get_close_matches(word, list(choices), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(nearest)}?" if nearest else ""
