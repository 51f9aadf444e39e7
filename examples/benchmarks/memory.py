"""How much memory a call takes at most, beyond what was there before."""

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_memory(call: Callable[[], Any], device: str) -> int:
    """Bytes that live at once during the call and did not before."""
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    # torch 2.11 warns unless events are to be kept beyond a cycle; there is one cycle here.
    only = [ProfilerActivity.CPU]
    with profile(activities=only, profile_memory=True, acc_events=True) as profiled:
        call()
    events = profiled.profiler.kineto_results.events()
    changes = [event for event in events if event.name() == "[memory]"]
    now = peak = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        now += change.nbytes()  # negative where a block is freed
        peak = max(peak, now)
    return peak
