"""The files after ``--checkpoint``, looked for before anything heavy is imported or computed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from .suggestions import did_you_mean

_OPTION = "--checkpoint"
_RANDOM = "random"
_ELSEWHERE = ("timm", "hf-hub")  # begin addresses


def look_for_files(arguments: Sequence[str]) -> None:
    """Refuses a command line on which a checkpoint is named that is not there.

    Args:
        arguments: of a command that has the option; one that only shows help passes.

    Raises:
        FileNotFoundError: names every such file.
    """
    if {"-h", "--help", "--print_config", "--allow-missing"}.isdisjoint(arguments):
        words = list(arguments)
        after = [words[place + 1] for place, word in enumerate(words[:-1]) if word == _OPTION]
        joined = [word.partition("=")[2] for word in words if word.startswith(f"{_OPTION}=")]
        refuse_absent([*after, *joined])


def refuse_absent(checkpoints: Iterable[str]) -> None:
    """Refuses checkpoints that should be files and are not there.

    Args:
        checkpoints: as `instdisc.transfer.run_suite` takes them.

    Raises:
        FileNotFoundError: names every such file.
    """
    absent = [file for file in map(absent_file, checkpoints) if file is not None]
    if absent:
        shown = ", ".join(map(repr, absent))
        raise FileNotFoundError(
            f"`{_OPTION}` must be a file that is there, got {shown}.{_hint(absent[0])} With "
            "--allow-missing the others go on without it."
        )


def absent_file(checkpoint: str) -> str | None:
    """The file that a text names and that is not there; ``None`` if it is, or names none.

    Example:
        >>> absent_file("MoCo=no/such/file.pt"), absent_file("random:resnet50")
        ('no/such/file.pt', None)
    """
    if _is_file(checkpoint):
        return None
    name, equals, rest = checkpoint.partition("=")
    source = rest if equals else name
    kind, colon, _ = source.partition(":")
    elsewhere = kind == _RANDOM or (kind in _ELSEWHERE and bool(colon))
    return None if elsewhere or _is_file(source) else source


def _is_file(text: str) -> bool:
    file, colon, _ = text.rpartition(":")  # FILE:ARCHITECTURE
    return Path(text).is_file() or (bool(colon) and Path(file).is_file())


def _hint(file: str) -> str:
    folder = Path(file).parent
    if not folder.is_dir():
        return f" There is no folder {str(folder)!r}."
    return did_you_mean(Path(file).name, os.listdir(folder))
