"""Functions on other processes of this machine: several (gloo), or one that compiles."""

import functools
import multiprocessing
import traceback

import pytest
import torch
import torch.distributed


def run_on_processes(function, folder, count=2, *, start="fork"):
    """What `function` returns on each of some processes, in the order of their ranks.

    Args:
        function: called with the rank; returns what `torch.save` can write.
        folder: an empty one, where the processes meet.
        count: of processes.
        start: how they begin. ``"spawn"`` is for what compiles, whose workers a fork would lack,
            and takes functions of a module alone.
    """
    context = multiprocessing.get_context(start)
    ranks = [context.Process(target=_run, args=(function, folder, r, count)) for r in range(count)]
    for process in ranks:
        process.start()
    try:
        for process in ranks:
            process.join(600)
            assert process.exitcode == 0
    finally:
        for process in ranks:  # one that waits for another that failed
            process.kill()
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]


def _run(function, folder, rank, count):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count
    )
    torch.save(function(rank), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def apart(test):
    """Decorates a test that compiles with torch: it runs in a fork of the tests' process.

    That one is then fit to be forked: after torch's AOT autograd has compiled in a process, and a
    gradient was computed, no fork of it can compute gradients.
    """

    @functools.wraps(test)
    def run(*arguments, **named):
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_report, args=(sender, test, arguments, named))
        process.start()
        sender.close()
        try:
            problem = receiver.recv() if receiver.poll(600) else "no answer after 600 s"
        except EOFError:
            process.join(2)
            problem = f"died with exit status {process.exitcode}"
        finally:
            process.kill()
            process.join()
        if problem:
            pytest.fail(problem, pytrace=False)

    return run


def _report(sender, test, arguments, named):
    try:
        test(*arguments, **named)
    except BaseException:
        sender.send(traceback.format_exc())
        raise
    sender.send("")
