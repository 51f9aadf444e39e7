"""What may come of a bad value."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

KINDS = ("refused", "raw", "accepted", "hung", "died", "broken")


class Outcome(NamedTuple):
    """What came of a case.

    Attributes:
        case: its title.
        kind: "refused": a TypeError or ValueError that names the argument in backticks; "raw": any
            other exception; "accepted": none; "hung": no end in time; "died": the process did;
            "broken": the call that should work did not.
        detail: the exception, and where it was raised.
    """

    case: str
    kind: str
    detail: str = ""


def classify(
    title: str, run: Callable[[], object], name: str, raises: tuple[type[Exception], ...] = ()
) -> Outcome:
    """Runs a case.

    Args:
        title: of the case.
        run: the call with the bad value.
        name: the user's name of the argument.
        raises: what refuses it besides TypeError and ValueError.
    """
    try:
        run()
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        if isinstance(error, (TypeError, ValueError, *raises)) and names(str(error), name):
            return Outcome(title, "refused", message)
        return Outcome(title, "raw", f"{message} [{_origin(error)}]")
    return Outcome(title, "accepted")


def check_works(title: str, run: Callable[[], object]) -> Outcome | None:
    """The outcome of a good call that fails; None if it works."""
    try:
        run()
    except Exception as error:
        return Outcome(title, "broken", f"{type(error).__name__}: {error} [{_origin(error)}]")
    return None


def names(message: str, argument: str) -> bool:
    """Whether a message has the argument in backticks; a part of it (`views[1]`) will do."""
    return re.search(rf"`{re.escape(argument)}(\[[^`]*|\.[^`]*|=[^`]*)?`", message) is not None


def _origin(error: Exception) -> str:
    """Whose code raised it: ours or a library's depth."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    path = Path(frame.filename)
    ours = "instdisc" in path.parts and "site-packages" not in path.parts
    return f"{'ours' if ours else 'library'}: {'/'.join(path.parts[-2:])}:{frame.lineno}"
