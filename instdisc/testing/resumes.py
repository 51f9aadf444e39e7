"""A run that is stopped and resumed must equal the one that was not."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from instdisc.methods import PretrainModule
from instdisc.types import Views

from .runs import fit
from .watching import StopAfter, Stopped, check


def check_resume(module: PretrainModule, batches: Sequence[Views]) -> None:
    """Parameters and buffers, bit for bit, of a run that went on in another object.

    Args:
        module: an untrained method; it is copied.
        batches: four.

    Raises:
        AssertionError: if something is lost.
    """
    unstopped = copy.deepcopy(module)
    fit(unstopped, batches)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.ckpt"
        first = copy.deepcopy(module)
        with suppress(Stopped):
            fit(first, batches, StopAfter(2, path))
        second = copy.deepcopy(module)
        with torch.no_grad():  # a fresh module has other random weights and another random queue
            for tensor in second.state_dict().values():
                if tensor.is_floating_point():
                    tensor.add_(1.0)
        fit(second, batches, ckpt_path=path)
    expected, got = unstopped.state_dict(), second.state_dict()
    different = [name for name in expected if not torch.equal(expected[name], got[name])]
    check(
        not different,
        f"a resumed run differs from one that was not stopped, in {different[:5]}: what must "
        "survive has to be a parameter or a persistent buffer",
    )
    buffers = dict(second.objectives.named_buffers())
    for name, buffer in unstopped.objectives.named_buffers():
        check(torch.equal(buffer, buffers[name]), f"{name} is lost on resume")
