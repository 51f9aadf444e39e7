"""A table in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .grid import Sheet

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    **{special: f"\\{special}" for special in "&%$#_{}"},
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))


def latex_text(sheet: Sheet, title: str, notes: Sequence[str]) -> str:
    """A ``table`` with the title as its caption and the notes below.

    Args:
        sheet: what to show.
        title: may be empty.
        notes: sentences.
    """
    columns = "l" * sheet.labels + "r" * (len(sheet.header) - sheet.labels)
    depth = max(map(len, sheet.header))
    lines = [r"% Needs \usepackage{booktabs}.", r"\begin{table}", r"\centering"]
    lines += [rf"\caption{{{escape_latex(title)}}}"] * bool(title)
    lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    for line in range(depth):
        texts = (header[line] if line < len(header) else "" for header in sheet.header)
        lines.append(_row([escape_latex(text) for text in texts]))
    lines.append(r"\midrule")
    for place, row in enumerate(sheet.rows):
        texts = (escape_latex(text) for text, _ in row)
        bold = (bold for _, bold in row)
        lines.append(
            _row([rf"\textbf{{{t}}}" if b else t for t, b in zip(texts, bold, strict=True)])
        )
        if place in sheet.ends and place < len(sheet.rows) - 1:
            lines.append(r"\midrule")
    lines += [r"\bottomrule", r"\end{tabular}"]
    if notes:
        below = " ".join(map(escape_latex, notes))
        lines += ["", r"\smallskip", rf"\parbox{{\linewidth}}{{\footnotesize {below}}}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def escape_latex(text: str) -> str:
    r"""Text that LaTeX shows as it is, in one line.

    Example:
        >>> print(escape_latex("100 % of my_set {a}"))
        100 \% of my\_set \{a\}
    """
    escaped = _SPECIAL.sub(lambda match: _ESCAPES[match[0]], " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", escaped)  # two would become a dash


def _row(texts: Sequence[str]) -> str:
    # What begins with a bracket or a star would be an argument of the line break before it.
    first = rf"{{{texts[0][0]}}}{texts[0][1:]}" if texts[0][:1] in ("[", "*") else texts[0]
    return " & ".join([first, *texts[1:]]) + r" \\"
