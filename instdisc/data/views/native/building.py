"""A C file made into a library by the compiler of the machine, once, and kept."""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from ...images.remembered import cache_folder

_SECONDS = 120
# What lets loops with branches become vectors, and no product be joined with a sum: results are
# the same whatever vectors the processor has.
_OPTIONS = ["-O3", "-std=c11", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math"]
_OPTIONS += ["-ffp-contract=off"]
_VECTORS = {
    "AVX2": ["-mavx2"],
    "AVX512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"],
}


class NotCompiledError(RuntimeError):
    """A C file could not be made into a library; the message says why."""


def load_compiled(source: Path) -> ctypes.CDLL:
    """The library of a C file, which is kept in the user's cache folder.

    Args:
        source: a C file, without includes beyond the standard library's.

    Raises:
        NotCompiledError: if it is not there and can't be made.
    """
    compiler = _compiler()
    options = [*_OPTIONS, *_VECTORS.get(torch.backends.cpu.get_cpu_capability(), [])]
    problem = "there is no C compiler: install gcc or clang, or name one in CC"
    for folder in _folders(source, options):
        library = folder / f"{source.stem}.so"
        if library.is_file():
            with suppress(OSError):  # damaged: made again
                return ctypes.CDLL(str(library))
        if not compiler:
            break
        try:
            _compile([*compiler, *options], source, library)
            return ctypes.CDLL(str(library))
        except subprocess.CalledProcessError as error:
            problem = f"{shlex.join(compiler)} failed: {error.stderr.strip()[-500:]}"
            break
        except (OSError, subprocess.TimeoutExpired) as error:  # a folder that can't be written to
            problem = str(error)
    raise NotCompiledError(problem)


def _compiler() -> list[str]:
    """The command, with what it is to be told; empty if there is none."""
    named = shlex.split(os.environ.get("CC", ""))
    if named:
        return named if shutil.which(named[0]) else []
    places = (shutil.which(name) for name in ("cc", "gcc", "clang"))
    return next(([place] for place in places if place), [])


def _folders(source: Path, options: list[str]) -> Iterator[Path]:
    """Where a library may lie: with what was kept, else in a folder of this process."""
    about = [source.read_text(encoding="utf-8"), sys.platform, platform.machine(), *options]
    digest = hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
    above = cache_folder()
    if above is not None:
        yield above / "native" / digest
    temporary = Path(tempfile.mkdtemp(prefix="instdisc_native_"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    yield temporary


def _compile(command: list[str], source: Path, library: Path) -> None:
    """Makes the library, whole or not at all, though others may do so at the same time."""
    made = library.with_name(f"{library.name}.{os.getpid()}")
    library.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            [*command, str(source), "-o", str(made), "-lm"],
            check=True,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        os.replace(made, library)
    finally:
        made.unlink(missing_ok=True)
