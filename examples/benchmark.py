"""Time the parts of pretraining beside their peers and their limits, side by side in one run.

    python examples/benchmark.py                             # every row of this machine
    python examples/benchmark.py --rows gpu                  # the targets of a GPU, in 8 minutes
    python examples/benchmark.py --rows loss_256 momentum --repeats 20
    python examples/benchmark.py --append docs/benchmarks.md # and keep the table
    python examples/benchmark.py --list                      # what the rows are

Peers are lightly from its package, plain PyTorch, torchvision and timm; a limit is what no program
of this kind can beat (decoding alone, the bare network, the matrix products alone). On a CPU the
contenders of a row take turns within the run, so that what else the machine does hits all alike; on
a GPU they come one after the other, and the first call, in which networks are compiled, is told
apart ("start"; of a training run: from the start of its process to its 50th step). Each row has a
process of its own, so that it finds what it would find alone. Printed are medians with half the
distance between the quartiles, the peer's time over each contender's, the share of the limit that
it reaches, and the work it does in a second beside what the device does at most: timings differ
from machine to machine, ratios hold better.

Each contender is printed as it ends. ``--time-limit`` and ``--total`` hold a row and the whole to
so many seconds: a row that takes longer is ended and says so, and for which too little is left is
skipped. What fails says why, the others go on, and the exit status tells. ``--tiny`` tries the
rows, those of a GPU too, on any machine in seconds. Rows marked "per core" run on one thread.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import rich
from benchmarks import options as command_line
from benchmarks.device import look_at
from benchmarks.process import RowError, results, scratch_folder
from benchmarks.report import Report
from benchmarks.rows import ROWS, SET_SECONDS, SETS, chosen

# So that asking for a GPU does not use it: a process that has used it cannot be copied.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")


def main(arguments: list[str] | None = None) -> int:
    """Measures the rows; the exit status: 0 if every contender of every row has its time."""
    options = parse_arguments(arguments)
    if options.list:
        rich.print({name: row.title for name, row in ROWS.items()}, SETS)
        return 0
    begin = time.monotonic()
    device = look_at(options)
    options.forks, options.rates = device.forks, device.rates
    command = sys.argv[1:] if arguments is None else arguments
    report = Report(device.name, command, options.append)
    with scratch_folder(options) as logs:
        complete = []
        for name in options.rows:
            left = None if options.total is None else begin + options.total - time.monotonic()
            complete.append(measure(name, options, left, report, logs / f"{name}.log"))
    print(f"{time.monotonic() - begin:.0f} s in all", flush=True)
    return 0 if all(complete) else 1


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, with the rows by name and every size set."""
    options = command_line.parse(arguments, [*ROWS, *SETS], __doc__)
    if options.total is None and len(options.rows or []) == 1:
        options.total = SET_SECONDS.get(options.rows[0]) if options.device == "cuda" else None
    options.forks, options.rates = False, {}
    options.rows = chosen(options.rows, options.device)
    return options


def measure(
    name: str, options: argparse.Namespace, left: float | None, report: Report, log: Path
) -> bool:
    """Measures a row in at most so many seconds; whether all of it has its times."""
    row = ROWS[name]
    report.begin(row, getattr(options, row.pairs) if row.pairs else 0)
    if left is not None and options.device == "cuda" and left < row.seconds:
        report.say(f"skipped: {max(left, 0):.0f} s left, needs at least {row.seconds} s")
        return False
    limits = [options.time_limit, left]
    if left is not None and options.time_limit is None and options.device == "cuda":
        limits.append(row.most)
    seconds = min((limit for limit in limits if limit is not None), default=None)
    complete, going = True, {}
    try:
        for some in results(row, options, seconds, log):
            ended = [result for result in some if result.ended]
            going = {result.contender: result for result in some if not result.ended}
            if ended:
                report.add(ended)
                complete &= not any(result.problem for result in ended)
    except RowError as error:
        report.add(
            result._replace(contender=f"{contender} (timed {len(result.times)} times)")
            for contender, result in going.items()
            if result.times
        )
        report.say(str(error))
        complete = False
    return complete


if __name__ == "__main__":
    sys.exit(main())
