"""A row in a process of its own, which ends in time with all that it started."""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.children import reason
from benchmarks.measure import Result, measure_row
from benchmarks.rows import Row

_GRACE = 2.0  # seconds for a process that says nothing more to end


class RowError(Exception):
    """Why a row did not come to its end, in one line."""


@contextlib.contextmanager
def scratch_folder(options: argparse.Namespace) -> Iterator[Path]:
    """A folder for all that rows write, which is gone in the end; gives the folder of the logs.

    On a GPU the compilers' caches lie there too, so that each benchmark begins with nothing
    compiled. A request to end is obeyed with what was started.
    """
    folder = Path(tempfile.mkdtemp(prefix="instdisc_benchmark_"))
    logs = options.logs or folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    # Of a row that was ended, nobody wants to hear what it left behind.
    places: dict[str, str | Path] = {"TMPDIR": folder}
    places["PYTHONWARNINGS"] = "ignore:resource_tracker"
    if options.device == "cuda":
        places |= {"TORCHINDUCTOR_CACHE_DIR": folder / "inductor"}
        places |= {"TRITON_CACHE_DIR": folder / "triton"}
    before = {name: os.environ.get(name) for name in places}
    handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.update({name: str(place) for name, place in places.items()})
    try:
        yield logs
    finally:
        signal.signal(signal.SIGTERM, handler)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder, ignore_errors=True)


def results(
    row: Row, options: argparse.Namespace, seconds: float | None, log: Path
) -> Iterator[list[Result]]:
    """The results of a row as they come; memory that it leaves behind touches no other row.

    Args:
        row: which; it must be picklable.
        options: of the benchmark.
        seconds: what it may take; ``None``: any time. Then it is killed, with its children.
        log: file that gets what it prints, and the errors in full.

    Raises:
        RowError: if it fails, dies or takes too long.
    """
    context = get_context("fork" if options.forks else "spawn")
    ours, theirs = context.Pipe()
    # A copy of this process has a copy of this side too, which would hide that we are gone.
    copied = ours if options.forks else None
    process = context.Process(target=_serve, args=(row, options, theirs, log, copied))
    end = None if seconds is None else time.monotonic() + seconds
    try:
        process.start()
        theirs.close()  # so that its death closes the pipe
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not wait([ours, process.sentinel], left):
                raise RowError(f"stopped after {seconds:.0f} s")
            try:
                message = ours.recv() if ours.poll() else ""
            except EOFError:
                message = ""
            if message == "":
                process.join(_GRACE)
                raise RowError(f"died (exit status {process.exitcode}): {_last(log)}")
            if message is None:
                return
            if isinstance(message, str):
                raise RowError(message)
            yield message
    finally:
        _kill(process)
        ours.close()


def _serve(
    row: Row,
    options: argparse.Namespace,
    connection: Connection,
    log: Path,
    copied: Connection | None,
) -> None:
    """In the new process: measures and sends."""
    if copied is not None:
        copied.close()
    tempfile.tempdir = None  # asked for again, now that it is another
    if hasattr(os, "setsid"):
        os.setsid()  # so that the children can be ended with it
    threading.Thread(target=_die_with_parent, args=(connection,), daemon=True).start()
    file = log.open("wb", buffering=0)
    for stream in (sys.stdout, sys.stderr):  # the profiler's lines come from beneath Python
        stream.flush()
        os.dup2(file.fileno(), stream.fileno())
    try:
        for some in measure_row(row, options):
            for result in some:
                if result.trace:
                    print(result.contender, result.trace, sep="\n", flush=True)
            connection.send(some)
        connection.send(None)
    except BaseException as error:
        traceback.print_exc()
        connection.send(reason(error))


def _die_with_parent(connection: Connection) -> None:
    """Ends this process and its children when nobody listens any more."""
    with contextlib.suppress(EOFError, OSError):
        connection.recv()  # nothing is ever sent: it returns when the other side is gone
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


def _kill(process: BaseProcess) -> None:
    if process.pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError, AttributeError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _last(log: Path) -> str:
    """The last line that was printed."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "nothing printed"
