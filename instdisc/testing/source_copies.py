"""A source is read from several threads, and from copies of it in other processes."""

from __future__ import annotations

import multiprocessing
import pickle
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from instdisc.data import ImageSource

from .source_contents import Images, difference
from .watching import check

_THREADS, _FORKS = 4, 2
_READS, _SECONDS = 3, 0.2  # times that each process reads all images, at least, and for how long
_PATIENCE = 60.0  # seconds until a process that reads nothing is given up


def check_threads(source: ImageSource, images: Images) -> None:
    """Images that are kept in memory or copied are read by several threads.

    Args:
        source: what is checked.
        images: of `check_reading`.

    Raises:
        AssertionError: if one of them reads something else.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        faults = list(threads.map(lambda _: difference(source, images), range(2 * _THREADS)))
    fault = max(faults)
    check(not fault, f"{fault} while other threads read: put a lock around what they share")


def check_pickles(source: ImageSource, images: Images) -> None:
    """A copy by pickle, made after images were read, reads the same.

    Args:
        source: what is checked.
        images: of `check_reading`.

    Raises:
        AssertionError: if it cannot be pickled, or the copy is another set.
    """
    try:
        copied = pickle.loads(pickle.dumps(source))
    except Exception as error:
        raise AssertionError(
            f"the source cannot be pickled once it was read ({error}), as processes that are "
            "started afresh need: leave open files and the like out in `__getstate__`, and open "
            "them again where they are needed"
        ) from error
    fault = difference(copied, images)
    check(not fault, f"{fault} in a pickled copy")
    check(
        torch.equal(copied.labels, source.labels) and list(copied.classes) == list(source.classes),
        "a pickled copy has other `labels` or `classes`",
    )
    check(
        copied.on_unreadable == source.on_unreadable and copied.name == source.name,
        "a pickled copy has another `name` or `on_unreadable`",
    )


def check_forks(source: ImageSource, images: Images) -> None:
    """Forked processes read at the same time as this one, which has read before.

    Args:
        source: what is checked.
        images: of `check_reading`.

    Raises:
        AssertionError: if one reads something else, or waits for ever.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        return
    context: Any = multiprocessing.get_context("fork")
    children = []
    for _ in range(_FORKS):
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_answer, args=(source, images, sender), daemon=True)
        with warnings.catch_warnings():  # Python 3.12 of threads; those that read are gone
            warnings.simplefilter("ignore")
            child.start()
        sender.close()
        children.append((child, receiver))
    faults = [_read_on(source, images)]
    try:
        for _, receiver in children:
            faults.append(_received(receiver))
    finally:
        for child, receiver in children:
            child.kill()
            child.join()
            receiver.close()
    fault = max(faults)
    check(
        not fault,
        f"{fault} in processes that were forked after images had been read: what is open then "
        "(files, threads, connections) belongs to one process; note `os.getpid()`, and open it "
        "again where it is another",
    )


def _received(receiver: Any) -> str:
    if not receiver.poll(_PATIENCE):
        return f"`read` does not return within {_PATIENCE:.0f} s"
    try:
        return str(receiver.recv())
    except EOFError:
        return "`read` ends the process"


def _answer(source: ImageSource, images: Images, sender: Any) -> None:
    torch.set_num_threads(1)  # those of the first process are not here
    sender.send(_read_on(source, images))


def _read_on(source: ImageSource, images: Images) -> str:
    """Reads all images several times; the first fault."""
    begin, reads, fault = time.monotonic(), 0, ""
    while not fault and (reads < _READS or time.monotonic() < begin + _SECONDS):
        fault = difference(source, images)
        reads += 1
    return fault
