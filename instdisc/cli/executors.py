"""Executors by what a user writes after ``--executor``."""

from __future__ import annotations

import functools
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from instdisc import checks
from instdisc.transfer import Executor, Processes

from .suggestions import did_you_mean

FORMS = "processes[:NUMBER], dask:ADDRESS, slurm:FOLDER, mpi, MODULE.FUNCTION"
_NAMES = ("processes", "dask", "slurm", "mpi")
_EXTRA = 'pip install "instdisc[executors]"'


def named_executor(text: str, options: Mapping[str, Any]) -> Callable[[], Executor]:
    """A function that makes the executor; what it needs is imported now.

    Args:
        text: of one of the `FORMS`: processes of this machine; a dask cluster whose scheduler has
            that address (``tcp://HOST:PORT``, or a file that it wrote); jobs of SLURM, whose logs
            go to the folder; workers that ``mpiexec -n NUMBER python -m mpi4py.futures`` started;
            or what a function of the user's own makes.
        options: keywords of what makes it: `Processes`, dask's ``Client``, submitit's
            ``update_parameters`` (``partition``, ``gpus_per_node``, ``timeout_min`` and so on),
            ``MPIPoolExecutor``, or the function.

    Raises:
        ValueError: if the text has another form.
        ImportError: if a package is missing; says how to install it.

    Example:
        >>> named_executor("processes:4", {}).num_workers
        4
    """
    kind, _, place = text.partition(":")
    if kind == "processes":
        if place and not place.isdecimal():
            checks.refuse("--executor processes:NUMBER", "a whole number of at least 1", place)
        return Processes(int(place) if place else None, **options)
    if kind in ("dask", "slurm") and not place:
        checks.refuse("--executor", "dask:ADDRESS or slurm:FOLDER", text)
    if kind == "dask":
        return functools.partial(
            _dask, _imported("dask.distributed", _EXTRA).Client, place, options
        )
    if kind == "slurm":
        make = _imported("submitit", _EXTRA).AutoExecutor
        return functools.partial(_slurm, make, place, options)
    if text == "mpi":
        pool = _imported("mpi4py.futures", "pip install mpi4py").MPIPoolExecutor
        return functools.partial(pool, **options)
    module, _, name = text.rpartition(".")
    if not module or ":" in text:
        remedy = f"It is {FORMS}.{did_you_mean(kind, _NAMES)}"
        checks.refuse("--executor", "of a form that is known", text, remedy)
    make = getattr(_imported(module, "put its folder on PYTHONPATH"), name, None)
    if not callable(make):
        checks.refuse("--executor", f"a function of the module {module}", text)
    return functools.partial(make, **options)


def executor_option(text: str) -> str:
    """The text of options of an executor, if it can be read."""
    read_options([text])
    return text


def read_options(texts: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` texts, or mappings in braces, as keywords.

    Example:
        >>> read_options(["partition=gpu", "{gpus_per_node: 8, timeout_min: 240}"])
        {'partition': 'gpu', 'gpus_per_node': 8, 'timeout_min': 240}
    """
    options: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            read = yaml.safe_load(text if text.startswith("{") else value)
        except yaml.YAMLError:
            read = value
        if text.startswith("{") and isinstance(read, dict):
            options |= read
        elif name.isidentifier() and value:
            options[name] = read
        else:
            raise ArgumentTypeError(f"must be NAME=VALUE, or {{NAME: VALUE, ...}}, got {text!r}")
    return options


def _dask(make_client: Callable[..., Any], place: str, options: Mapping[str, Any]) -> Executor:
    where = {"scheduler_file": place} if Path(place).is_file() else {"address": place}
    executor: Executor = make_client(**where, **options).get_executor()
    return executor


def _slurm(make: Callable[..., Any], folder: str, options: Mapping[str, Any]) -> Executor:
    parameters = dict(options)
    executor = make(folder=folder, cluster=parameters.pop("cluster", "slurm"))
    executor.update_parameters(**parameters)
    made: Executor = executor
    return made


def _imported(module: str, install: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"`--executor` needs {module}: {install} ({error})") from error
