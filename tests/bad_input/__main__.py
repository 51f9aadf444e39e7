"""``python -m tests.bad_input [ROOM [PART OF A NAME]]``: the failures and shares of rooms."""

from __future__ import annotations

import sys

import torch

from .shares import ROOMS, failures, run_room, say_shares


def main(arguments: list[str]) -> int:
    """Prints; the exit status is 1 where a bad value was not refused."""
    torch.set_num_threads(1)
    bad = 0
    for room in arguments[:1] or ROOMS:
        outcomes = run_room(room, *arguments[1:2])
        for outcome in failures(outcomes):
            bad += 1
            print(f"{outcome.kind:9} {outcome.case}  {outcome.detail[:160]}")
        print(say_shares(room, outcomes), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
