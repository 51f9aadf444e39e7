"""How results came about: beside a results file, one JSON line for each call that wrote to it.

A record tells its settings, versions and seconds. What it cannot tell stands here: the command, and
what was asked for and has no result.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from .checks import checked_call, output_file

_SUFFIX = ".runs.ndjson"  # not .jsonl, which is a file of records


@checked_call()
class RunNote(NamedTuple):
    """A call that wrote to a results file.

    Attributes:
        date: when it ended, in UTC, ISO 8601.
        command: the command line of its process.
        missing: what was asked for and has no result, each with the reason.
    """

    date: str
    command: str
    missing: tuple[tuple[str, str], ...]


@checked_call(results=output_file)
def append_run(results: str | Path, missing: Sequence[tuple[str, str]] = ()) -> Path:
    """Notes a call that wrote to a results file.

    Args:
        results: the ``.jsonl`` file of the records; it need not be there.
        missing: what was asked for and has no result, each with the reason.

    Returns:
        The file of the notes: ``results.runs.ndjson`` beside ``results.jsonl``.

    Raises:
        OSError: if it cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = append_run(f"{folder}/results.jsonl", [("knn on pets", "no such set")])
        ...     path.name, read_runs(f"{folder}/results.jsonl")[0].missing
        ('results.runs.ndjson', (('knn on pets', 'no such set'),))
    """
    note = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv) if sys.argv[0] else "",
        "missing": [(what, why) for what, why in missing],
    }
    path = _path(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:  # one write of one line: lines of two processes do not mix
        file.write((json.dumps(note) + "\n").encode("utf-8"))
    return path


@checked_call(results=output_file)
def read_runs(results: str | Path) -> list[RunNote]:
    """The notes beside a results file, in the order of their calls; none if there are none.

    Args:
        results: the ``.jsonl`` file of the records.

    Raises:
        ValueError: if a line is no note; names it.
    """
    path = _path(results)
    notes = []
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                fields = json.loads(line)
                missing = tuple((str(what), str(why)) for what, why in fields["missing"])
                notes.append(RunNote(str(fields["date"]), str(fields["command"]), missing))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: no note of a run ({error})") from error
    return notes


def _path(results: str | Path) -> Path:
    return Path(results).with_suffix(_SUFFIX)
