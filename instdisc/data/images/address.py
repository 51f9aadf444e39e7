"""Addresses of files elsewhere: told from paths, shown without what is secret in them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from instdisc import checks

_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+://")  # not C:/, a drive
_PATH = re.compile(r"([A-Za-z][\w+.-]+):/+")  # what `Path` makes of one
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST = 1_000_000  # shards of a pattern
# A name before @ is the container of a store of these, and no secret.
_CONTAINERS = ("abfs", "abfss", "az", "adl", "wasb", "wasbs")
_SECRET = re.compile(r"([A-Za-z][\w+.-]*)://([^/\s@]*)@")
_QUERY = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\")]*")


class Address:
    """Where a file or folder lies in a store.

    ``address / name`` is what lies below it, and ``str(address)`` is without passwords and the
    signatures that may follow a ``?``.

    Args:
        text: as a user writes it.

    Example:
        >>> folder = Address("https://me:secret@host/shards?signature=123")
        >>> str(folder / "0.tar"), folder.name
        ('https://host/shards/0.tar', 'shards')
    """

    def __init__(self, text: str) -> None:
        self.full = text

    @property
    def name(self) -> str:
        """The last part of it."""
        return self._parts()[0].partition("://")[2].rstrip("/").rpartition("/")[2]

    @property
    def path(self) -> str:
        """It without what follows ``?``."""
        return self._parts()[0]

    @property
    def parent(self) -> Address:
        """What it lies in."""
        body, query = self._parts()
        return Address(body.rstrip("/").rpartition("/")[0] + query)

    def __truediv__(self, name: str) -> Address:
        body, query = self._parts()
        return Address(f"{body}{'' if body.endswith('/') else '/'}{name}{query}")

    def __str__(self) -> str:
        return without_secrets(self.full)

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self.full == other.full

    def __hash__(self) -> int:
        return hash(self.full)

    def _parts(self) -> tuple[str, str]:
        """The address without what follows ``?``, and that."""
        if not self.full.lower().startswith(("http://", "https://")):
            return self.full, ""
        body, mark, query = self.full.partition("?")
        return body, mark + query


def as_address(path: object) -> str | None:
    """The address that a user means; ``None`` for a path of this machine.

    Args:
        path: a text, or a `Path` that was made of an address and has lost a slash by that.

    Example:
        >>> as_address(Path("s3://bucket/shards")), as_address("bucket/shards")
        ('s3://bucket/shards', None)
    """
    if isinstance(path, str):
        return path if _ADDRESS.match(path) else None
    if not isinstance(path, Path):
        return None
    text = str(path).replace("\\", "/")
    match = _PATH.match(text)
    if match is None or path.exists():
        return None
    begin = "file:///" if match[1] == "file" else f"{match[1]}://"
    return begin + text[match.end() :]


def split_name(text: str) -> tuple[str, str]:
    """``NAME`` and what it names, of ``NAME=PLACE``; ``""`` and the text where there is none.

    Example:
        >>> split_name("pets=s3://bucket/x"), split_name("s3://bucket/split=train")
        (('pets', 's3://bucket/x'), ('', 's3://bucket/split=train'))
    """
    name, equals, place = text.partition("=")
    return (name, place) if equals and as_address(text) is None else ("", text)


def expand_braces(text: str) -> list[str]:
    """The texts that a pattern stands for.

    Args:
        text: with ``{000..146}`` for numbers, or ``{a,b}``, as users of WebDataset write it.

    Raises:
        ValueError: if braces hold something else, or it stands for too many.

    Example:
        >>> expand_braces("{a,b}-{08..10}.tar")
        ['a-08.tar', 'a-09.tar', 'a-10.tar', 'b-08.tar', 'b-09.tar', 'b-10.tar']
    """
    texts = list(itertools.islice(_expanded(text), _MOST + 1))
    if len(texts) > _MOST:
        checks.refuse("shards", f"a pattern of at most {_MOST:,} shards", without_secrets(text))
    return texts


def without_secrets(text: object) -> str:
    """A text whose addresses have no passwords and no signatures.

    Example:
        >>> without_secrets("GET s3://key:secret@bucket/0.tar, https://host/1.tar?token=2")
        'GET s3://bucket/0.tar, https://host/1.tar'
    """
    return _QUERY.sub(r"\1", _SECRET.sub(_without_user, str(text)))


def _without_user(match: re.Match[str]) -> str:
    user = match[2].partition(":")[0]
    return f"{match[1]}://" + (f"{user}@" if match[1].lower() in _CONTAINERS else "")


def _expanded(text: str) -> Iterator[str]:
    match = _BRACES.search(text)
    if match is None:
        yield text
        return
    for option in _options(match[1], text):
        yield from _expanded(text[: match.start()] + option + text[match.end() :])


def _options(inner: str, text: str) -> Sequence[str]:
    numbers = _RANGE.fullmatch(inner)
    if numbers is None:
        if "," not in inner:
            rule = "a pattern with {000..146} or {a,b} in its braces"
            checks.refuse("shards", rule, without_secrets(text))
        return inner.split(",")
    first, last = int(numbers[1]), int(numbers[2])
    if not first <= last < first + _MOST:
        rule = f"a pattern whose numbers rise, at most {_MOST:,} of them"
        checks.refuse("shards", rule, without_secrets(text))
    width = len(numbers[1]) if numbers[1].startswith("0") else 0
    return [f"{number:0{width}}" for number in range(first, last + 1)]
