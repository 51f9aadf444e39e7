"""Text files as people have them: lists, tables, splits, names of classes."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

# The longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(file: str | Path) -> str:
    r"""What a text file says, with ``"\n"`` at the end of each line, and no byte order mark.

    Args:
        file: in UTF-8, or in UTF-16 or UTF-32 with a byte order mark, as Windows writes it.

    Raises:
        ValueError: if it is in another encoding; names the file and the line.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "classes.txt"
        >>> _ = file.write_bytes("cat\r\nKüken\r\n".encode("utf-16"))
        >>> read_text(file)
        'cat\nKüken\n'
    """
    content = Path(file).read_bytes()
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"line {line} of {file} must be in UTF-8, got the byte "
            f"0x{content[error.start]:02x}. Save the file as UTF-8."
        ) from error
    if "\0" in text:  # of UTF-16 without its mark, or of no text at all
        line = text[: text.index("\0")].count("\n") + 1
        raise ValueError(
            f"line {line} of {file} must be text in UTF-8, got a zero byte. Save the file as UTF-8."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(file: str | Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers from 1; empty ones are passed over.

    Args:
        file: see `read_text`.

    Raises:
        ValueError: see `read_text`.
    """
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if line.strip():
            yield number, line.strip()
