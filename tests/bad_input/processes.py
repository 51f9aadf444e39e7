"""Cases in forked processes: one for each callable, another after each that died or hung."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

from .calls import Call
from .outcomes import Outcome, check_works, classify


def run_call(call: Call) -> Iterator[Outcome]:
    """The outcomes of all cases of a callable; the first only if the call itself is broken."""
    titles = [f"{call.name} as specified", *(case.title for case in call.cases())]
    done = 0
    while done < len(titles):
        for outcome in _run_from(call, done, titles):
            done += 1
            if outcome is not None:
                yield outcome
            if outcome is not None and outcome.kind == "broken":
                return


def _run_from(call: Call, first: int, titles: list[str]) -> Iterator[Outcome | None]:
    """Outcomes from a case on, up to one that ends the process."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _work(call, first, writer)
    os.close(writer)
    buffer = b""
    number = first
    try:
        while number < len(titles):
            line, buffer = _read_line(reader, buffer, call.seconds)
            if line is None:
                yield Outcome(titles[number], "hung", f"more than {call.seconds} s")
                return
            if line == b"":
                yield Outcome(titles[number], "died", "the process ended")
                return
            answer: Any = json.loads(line)
            yield None if answer is None else Outcome(*answer)
            number += 1
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _read_line(reader: int, buffer: bytes, seconds: float) -> tuple[bytes | None, bytes]:
    """The next line (None: not in time; empty: there is no more) and what is left."""
    end = time.monotonic() + seconds
    while b"\n" not in buffer:
        ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return None, buffer
        piece = os.read(reader, 65536)
        if not piece:
            return b"", buffer
        buffer += piece
    line, _, rest = buffer.partition(b"\n")
    return line, rest


def _work(call: Call, first: int, writer: int) -> None:
    """In the child: writes an outcome a line, then ends it without the parent's clean-up."""
    try:
        silent = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(silent, number)
        warnings.simplefilter("ignore")
        sys.setrecursionlimit(1000)
        jobs: list[Any] = [None, *call.cases()]
        for job in jobs[first:]:
            outcome: Outcome | None
            if job is None:
                outcome = check_works(
                    f"{call.name} as specified", lambda: call.resolve()(**call.make())
                )
            else:
                outcome = classify(
                    job.title,
                    job.run,
                    call.says.get(job.argument, job.argument),
                    tuple(filter(None, [call.raises.get(job.argument)])),
                )
            os.write(writer, json.dumps(outcome).encode() + b"\n")
    finally:
        os._exit(0)
