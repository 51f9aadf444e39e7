"""Times the contenders of a row, and says of each as it ends."""

import argparse
import gc
import random
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from benchmarks.children import reason
from benchmarks.memory import peak_memory
from benchmarks.roofline import Work, device_rate
from benchmarks.rows import Contenders, Row

_LONG_ENOUGH = 0.3  # seconds of one timing on a GPU: calls are repeated within it, unwaited for


class Result(NamedTuple):
    """What came of a contender.

    Attributes:
        contender: its name.
        times: milliseconds of each timing.
        start: seconds of its first call, with all that is made or compiled there; of a run from
            the start of its process to the end of its first steps.
        memory: bytes that live at once during a call and did not before; 0 = not measured.
        amount: floating point operations or bytes of a call; 0 = not known.
        unit: of the amount, "FLOP" or "B".
        rate: how many of them the device reaches in a second.
        problem: why there is no time, or what failed after the last, in one line.
        trace: the whole of it.
        ended: whether that is all, or more timings follow.
    """

    contender: str
    times: Sequence[float] = ()
    start: float = 0.0
    memory: int = 0
    amount: float = 0.0
    unit: str = ""
    rate: float = 0.0
    problem: str = ""
    trace: str = ""
    ended: bool = True

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(self.times)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4)
        return (high - low) / 2


class Run(NamedTuple):
    """What a call returns that times itself and is not to be repeated.

    Attributes:
        seconds: of each step or block of steps, per step.
        start: see `Result`.
        memory: see `Result`.
        problem: what failed when all had been timed, in one line.
    """

    seconds: list[float]
    start: float = 0.0
    memory: int = 0
    problem: str = ""


def measure_row(row: Row, options: argparse.Namespace) -> Iterator[list[Result]]:
    """The results of a row's contenders as they come; those that have not ended are sent again."""
    torch.set_num_threads(row.threads or torch.get_num_threads())
    contenders = row.make(options)
    if row.in_turns and options.device == "cpu":
        yield from _in_turns(contenders, options, row.memory)
    else:
        yield from _apart(contenders, options, row.memory)


def measure(contenders: Contenders, repeats: int, device: str) -> dict[str, list[float]]:
    """Milliseconds of each call, the contenders taking turns; a call may time itself."""
    *_, times = rounds(contenders, repeats, device)
    return times


def rounds(
    contenders: Contenders, repeats: int, device: str, warm_up: int = 2
) -> Iterator[dict[str, list[float]]]:
    """Milliseconds of each call so far, after each round.

    Each time in another order, for who follows a contender that fills the processor's cache with
    its own takes longer: nearly twice with a queue of 65,536.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    order, rng = list(contenders), random.Random(0)
    for repeat in range(repeats + warm_up):
        rng.shuffle(order)
        for name in order:
            taken = _timed(contenders[name], device)
            if repeat >= warm_up:  # the first two warm up, and compile
                times[name].append(1000 * taken)
        yield times


def alone(name: str, call: Callable[[], Any], options: argparse.Namespace, memory: bool) -> Result:
    """Times a contender by itself; its first call is the start, a second warms up."""
    begin = time.perf_counter()
    run = call()
    if isinstance(run, Run):  # perhaps of other processes: this one may not use the GPU
        times = [1000 * seconds for seconds in run.seconds]
        work = _work(call, options)
        return Result(name, times, run.start, run.memory, problem=run.problem, **work)
    _wait(options.device)
    start = time.perf_counter() - begin
    second = _timed(call, options.device)
    inner = 1 if options.device == "cpu" else max(1, min(100, int(_LONG_ENOUGH / second)))
    times = [1000 * _timed(call, options.device, inner) for _ in range(options.repeats)]
    return Result(
        name,
        times,
        start,
        peak_memory(call, options.device) if memory else 0,
        **_work(call, options),
    )


def _in_turns(
    contenders: Contenders, options: argparse.Namespace, memory: bool
) -> Iterator[list[Result]]:
    for times in rounds(contenders, options.repeats, options.device):
        yield [Result(name, list(taken), ended=False) for name, taken in times.items()]
    ended = []
    for name, call in contenders.items():
        taken = peak_memory(call, options.device) if memory else 0
        ended.append(Result(name, times[name], memory=taken, **_work(call, options)))
    yield ended


def _apart(
    contenders: Contenders, options: argparse.Namespace, memory: bool
) -> Iterator[list[Result]]:
    """One after the other; one that fails stops no other, and leaves nothing behind."""
    while contenders:
        name = next(iter(contenders))
        try:
            result = alone(name, contenders.pop(name), options, memory)
        except Exception as error:
            result = Result(name, problem=reason(error), trace=traceback.format_exc())
        yield [result]
        gc.collect()
        torch.compiler.reset()  # the graphs of one piece of code are limited
        if options.device == "cuda":
            torch.cuda.empty_cache()


def _timed(call: Callable[[], Any], device: str, inner: int = 1) -> float:
    """Seconds of a call, as it says itself or by the clock."""
    begin = time.perf_counter()
    for _ in range(inner):
        taken = call()
    _wait(device)
    return taken if isinstance(taken, float) else (time.perf_counter() - begin) / inner


def _work(call: Callable[[], Any], options: argparse.Namespace) -> dict[str, Any]:
    if not isinstance(call, Work):
        return {}
    rate = options.rates.get(call.unit) or device_rate(call.unit, options)
    return {"amount": call.amount, "unit": call.unit, "rate": rate}


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
