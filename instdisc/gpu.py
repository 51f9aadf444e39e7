"""Whether Triton's kernels run on a device, and the decorator that makes them.

Without Triton the files with kernels can still be imported, but nothing in them runs.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = tl = None


def jit(function: Callable[..., Any]) -> Any:
    """`triton.jit` if there is Triton."""
    return function if triton is None else triton.jit(function)


@lru_cache
def available(device: torch.device) -> bool:
    """Whether the kernels run on a device: CUDA or ROCm, with Triton and a C compiler.

    Example:
        >>> available(torch.device("cpu"))
        False
    """
    if device.type != "cuda" or triton is None:
        return False
    if os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang"):
        return True
    warnings.warn(
        "Triton's kernels are not used, and what they do takes several times as long: Triton needs "
        "a C compiler; install gcc or name one in the environment variable CC",
        stacklevel=2,
    )
    return False
