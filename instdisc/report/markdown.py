"""A table in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .grid import Sheet

# An underscore within a word is no emphasis, and names are full of them.
_SPECIAL = re.compile(r"([\\`*\[\]|~$<&]|(?<![^\W_])_|_(?![^\W_]))")


def markdown_text(sheet: Sheet, title: str, notes: Sequence[str]) -> str:
    """The table, with its title above it and a paragraph for each note below.

    Args:
        sheet: what to show.
        title: may be empty.
        notes: sentences.
    """
    header = [" ".join(map(escape_markdown, lines)) for lines in sheet.header]
    aligned = [":--" if place < sheet.labels else "--:" for place in range(len(header))]
    lines = [_line(header), _line(aligned)]
    for row in sheet.rows:
        texts = [escape_markdown(text) for text, _ in row[: sheet.labels]]
        # Numbers need no escape: brackets without an address are brackets.
        texts += [f"**{text}**" if bold else text for text, bold in row[sheet.labels :]]
        lines.append(_line(texts))
    parts = [f"**{escape_markdown(title)}**"] if title else []
    parts += ["\n".join(lines), *map(escape_markdown, notes)]
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    r"""Text that Markdown shows as it is, in one line.

    Example:
        >>> print(escape_markdown("a|b *new* my_model _v2_"))
        a\|b \*new\* my_model \_v2\_
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
