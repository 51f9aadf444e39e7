"""A function in a process of its own."""

import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any


class ChildError(RuntimeError):
    """What went wrong in the process, in one line; it printed the whole."""


def run_in_child(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    forks: bool,
    seconds: float | None = None,
) -> Any:
    """What a function returns in a new process.

    Args:
        function: which; it must be picklable unless `forks`.
        arguments: of it.
        forks: whether the process is a copy of this one, or a fresh one.
        seconds: what it may take; ``None``: any time.

    Raises:
        ChildError: if it fails, dies or takes too long.
    """
    context = get_context("fork" if forks else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(function, arguments, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise ChildError(f"no answer after {seconds:.0f} s")
        answer, problem = receiver.recv()
    except EOFError:
        process.join(2)
        raise ChildError(f"died with exit status {process.exitcode}") from None
    finally:
        process.kill()  # it has said all
        process.join()
    if problem:
        raise ChildError(problem)
    return answer


def reason(error: BaseException) -> str:
    """An error in one line: its kind and the last line of what it says."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}"


def _serve(function: Callable[..., Any], arguments: tuple[Any, ...], sender: Connection) -> None:
    try:
        sender.send((function(*arguments), ""))
    except Exception as error:
        traceback.print_exc()
        sender.send((None, reason(error)))
