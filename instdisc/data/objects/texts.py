"""Text files as people have them: with a mark at the start, of Windows, or in another encoding."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: str | Path) -> str:
    r"""The text of a file in UTF-8, or in what the mark at its start says.

    Raises:
        ValueError: if it is in another encoding; names the file and the line.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "train.txt"
        >>> _ = file.write_bytes(codecs.BOM_UTF8 + b"a\r\nb\r\n")
        >>> read_text(file).split()
        ['a', 'b']
    """
    content = Path(path).read_bytes()
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path} must be text in UTF-8, got other bytes in line {line}. Save it as UTF-8."
        ) from error


def is_hidden(name: str) -> bool:
    """Whether a file is none of the set: macOS puts a ``._NAME`` beside each ``NAME``."""
    return name.startswith(".")
