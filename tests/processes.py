"""Functions on several processes (gloo) of this machine."""

import multiprocessing

import torch
import torch.distributed


def run_on_processes(function, folder, count=2, *, start="fork"):
    """What `function` returns on each of some processes, in the order of their ranks.

    Args:
        function: called with the rank; returns what `torch.save` can write.
        folder: an empty one, where the processes meet.
        count: of processes.
        start: how they begin. A fork of a process that has compiled with torch waits for ever for
            the threads that the fork lacks: ``"spawn"`` is for what compiles, and takes functions
            of a module alone.
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
