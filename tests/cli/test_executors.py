"""What a user writes after --executor."""

from argparse import ArgumentTypeError
from concurrent.futures import ThreadPoolExecutor

import pytest

from instdisc.cli.executors import named_executor, read_options
from instdisc.cli.suite_arguments import suite_keywords
from instdisc.cli.transfer import parse_arguments
from instdisc.transfer import Processes

SUITE = ["--checkpoint", "random:test_resnet", "--data", "scenes"]


def threads(number=1):
    return ThreadPoolExecutor(number)


def test_processes():
    made = named_executor("processes:3", {"devices": [0, 1]})
    assert isinstance(made, Processes)
    assert (made.num_workers, made.devices) == (3, ["0", "1"])
    assert named_executor("processes", {"devices": [5, 7]}).num_workers == 2


def test_a_function_of_the_users_own():
    with named_executor(f"{__name__}.threads", {"number": 2})() as executor:
        assert executor._max_workers == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("procesess", "MODULE.FUNCTION. Did you mean processes?"),
        ("processes:two", "`--executor processes:NUMBER` must be a whole number"),
        ("processes:0", "`num_workers` must be a whole number of at least 1"),
        ("dask", "`--executor` must be dask:ADDRESS or slurm:FOLDER, got 'dask'"),
        ("slurm:", "`--executor` must be dask:ADDRESS or slurm:FOLDER"),
        (f"{__name__}.SUITE", "`--executor` must be a function of the module"),
    ],
)
def test_a_bad_form(text, message):
    with pytest.raises(ValueError, match=message):
        named_executor(text, {})


@pytest.mark.parametrize(
    ("text", "package", "remedy"),
    [
        ("dask:tcp://host:1", "dask.distributed", 'pip install "instdisc\\[executors\\]"'),
        ("slurm:logs", "submitit", 'pip install "instdisc\\[executors\\]"'),
        ("mpi", "mpi4py.futures", "pip install mpi4py"),
        ("none_such.make", "none_such", "PYTHONPATH"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, text, package, remedy):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=f"`--executor` needs {package}: .*{remedy}"):
        named_executor(text, {})


def test_submitit_gets_its_parameters(tmp_path):
    pytest.importorskip("submitit")
    made = named_executor(f"slurm:{tmp_path}", {"cluster": "local", "timeout_min": 7})()
    assert (made.cluster, made._executor.parameters["timeout_min"]) == ("local", 7)


def test_options():
    assert read_options(["a=1", "b=gpu", "c=[1, 2]", "{d: 4, e: x}"]) == {
        "a": 1, "b": "gpu", "c": [1, 2], "d": 4, "e": "x",
    }  # fmt: skip
    for bad in ("a", "=3", "a=", "{a", "[1]"):
        with pytest.raises(ArgumentTypeError, match="must be NAME=VALUE"):
            read_options([bad])


def test_the_device_is_left_to_the_workers():
    keywords = suite_keywords(parse_arguments([*SUITE, "--executor", "processes:2"]))
    assert (keywords["device"], keywords["executor"].num_workers) == ("auto", 2)
    assert suite_keywords(parse_arguments(SUITE))["executor"] is None
    with pytest.raises(ValueError, match="`--executor-options` must be given with --executor"):
        suite_keywords(parse_arguments([*SUITE, "--executor-options", "a=1"]))
