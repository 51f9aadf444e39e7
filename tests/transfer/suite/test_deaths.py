"""Processes that die in the middle of a suite: workers, drivers, and two drivers at once."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch

from instdisc import Backbone, Scenes
from instdisc.records import read_jobs, read_records
from instdisc.transfer import run_suite
from instdisc.transfer.suite.parcels import leave_with_driver, run_parcel

from . import executor_tasks as tasks

TWICE = "the process that ran it died twice (BrokenProcessPool: "


@pytest.fixture(autouse=True)
def _tasks(monkeypatch):
    tasks.add_all(monkeypatch)


@pytest.fixture(scope="module")
def nets():
    torch.manual_seed(0)
    return {"a": Backbone("test_resnet"), "b": Backbone("test_resnet")}


@pytest.fixture(scope="module")
def forks():
    """Makes pools whose processes have imported everything: quick, and they may be killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["instdisc.transfer", "instdisc.transfer.suite.parcels"])
    return lambda: ProcessPoolExecutor(2, mp_context=context)


@pytest.fixture
def suite(tmp_path, nets):
    def call(names, executor=None, checkpoints=nets, **options):
        return run_suite(
            checkpoints, {"scenes": Scenes(20, image_size=32, num_categories=2)}, tasks=names,
            options=options, results=tmp_path / "out" / "results.jsonl", image_size=32,
            progress=False, executor=executor,
        )  # fmt: skip

    return call


def told(records):
    return [(record.task, record.method, record.value) for record in records]


def leftovers(folder):
    return sorted(str(path) for path in folder.glob(".*.workers/*"))


# Workers.


def test_a_job_whose_process_died_is_run_again_once(suite, forks, tmp_path):
    records = suite(["knn", "die", "count"], forks, die={"marks": str(tmp_path), "only": "a"})
    assert records.missing == []
    assert [(r.task, r.method) for r in records] == [
        (task, net) for net in ("a", "b") for task in ("knn", "die", "count")
    ]
    assert ("die", "a", 2.0) in told(records)
    assert len(read_records(tmp_path / "out" / "results.jsonl")) == 6
    assert leftovers(tmp_path / "out") == []


def test_a_job_whose_process_dies_always_is_missing_and_the_others_are_not(suite, forks, tmp_path):
    die = {"marks": str(tmp_path), "times": 9}
    records = suite(["die", "knn", "gap", "weights", "errors"], forks, die=die)
    found = [(record.task, record.method) for record in records]
    each = [(task, net) for net in ("a", "b") for task in ("knn", "weights", "errors")]
    assert found == [*each, ("gap", "a and b")]
    assert [missing.what for missing in records.missing] == [
        "die on scenes with a", "die on scenes with b",
    ]  # fmt: skip
    assert all(missing.why.startswith(TWICE) for missing in records.missing)
    # None was run a third time; one may have been killed beside the other before it began.
    assert {(tmp_path / f"scenes {net}").read_text() for net in ("a", "b")} <= {"x", "xx"}
    assert leftovers(tmp_path / "out") == []


def test_what_takes_the_predictions_of_a_job_that_died_waits_for_it(suite, forks, tmp_path):
    records = suite(["die", "late"], forks, die={"marks": str(tmp_path), "only": "a"})
    assert told(records)[:2] == [("die", "a", 2.0), ("late", "a", 2.0)]
    assert [(task, net) for task, net, _ in told(records)[2:]] == [("die", "b"), ("late", "b")]


def test_a_pool_that_cannot_be_made_anew(suite, forks, tmp_path):
    with forks() as pool:
        records = suite(["count", "die"], pool, die={"marks": str(tmp_path), "times": 9})
    assert {missing.why.partition(" (")[0] for missing in records.missing} == {
        "processes of the executor died, which broke it"
    }
    assert "executor=lambda: ProcessPoolExecutor(...)" in records.missing[0].why
    left = {missing.what for missing in records.missing}
    assert {f"die on scenes with {net}" for net in ("a", "b")} <= left
    assert len(records) + len(left) == 4
    again = suite(["count", "die"], forks, die={"marks": str(tmp_path), "times": 0})
    assert len(again) == 4


class Refusing:
    """A pool that broke before it could do anything; counts how often one was made."""

    made = 0

    def __init__(self):
        Refusing.made += 1

    def submit(self, function, *arguments):
        future = Future()
        future.set_exception(BrokenProcessPool("no main"))
        return future

    def shutdown(self, wait=True):
        pass


def test_processes_that_never_begin(suite):
    Refusing.made = 0
    records = suite(["knn"], Refusing)
    assert "no process of the executor could begin (BrokenProcessPool: no main)" in (
        records.missing[0].why
    )
    assert "__main__" in records.missing[1].why
    assert (len(records), Refusing.made) == (0, 1)


def test_an_executor_that_takes_nothing(suite):
    class Closed:
        def submit(self, function, *arguments):
            raise ConnectionError("no scheduler")

    records = suite(["knn"], Closed())
    why = "the executor takes no work (ConnectionError: no scheduler)"
    assert [missing.why for missing in records.missing] == [why, why]


class Losing:
    """An executor that loses each answer of a unit of some size, after the work was done."""

    def __init__(self, size):
        self.size = size
        self.parcels = []

    def submit(self, function, parcel):
        self.parcels.append(parcel)
        future = Future()
        outcomes = run_parcel(parcel)
        if len(parcel.keys) == self.size:
            future.set_exception(RuntimeError("the node is gone"))
        else:
            future.set_result(outcomes)
        return future


def test_what_was_finished_before_a_death_is_not_run_again(suite):
    executor = Losing(2)
    records = suite(["knn", "count"], executor)
    assert len(records) == 4
    assert records.missing == []
    assert len(executor.parcels) == 2


def test_no_two_tries_are_the_same_call(suite, tmp_path):
    """An executor may answer a call that it knows by what it remembers."""
    executor = Losing(1)
    assert suite(["fail"], executor).missing[0].why.startswith("the process that ran it died twice")
    assert len(set(executor.parcels)) == len(executor.parcels) == 4


# Drivers.


def start(function, *arguments):
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def drive(suite, names, options):
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=fork, initializer=leave_with_driver) as pool:
        suite(names, pool, **options)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def has_ended(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_killed_driver_loses_nothing_that_its_workers_finish(suite, nets, tmp_path):
    one = {"a": nets["a"]}
    mark = tmp_path / "go on"
    results = tmp_path / "out" / "results.jsonl"
    options = {"wait": {"mark": str(mark)}}
    driver = start(
        drive, lambda *args, **more: suite(*args, checkpoints=one, **more), ["knn", "wait"], options
    )
    until(lambda: (tmp_path / "go on.begun").exists())
    worker = int((tmp_path / "go on.begun").read_text())
    os.kill(driver.pid, signal.SIGKILL)
    driver.join()
    assert [record.task for record in read_records(results)] == ["knn"]
    mark.touch()
    until(lambda: len(read_jobs(results)) == 2)  # from the file of the worker
    assert [record.task for record in read_records(results)] == ["knn", "wait"]
    assert len(results.read_text().splitlines()) == 1
    until(lambda: has_ended(worker))
    mark.unlink()  # so that it would wait for a minute if it were run again
    records = suite(["knn", "wait"], checkpoints=one, **options)
    assert told(records)[1:] == [("wait", "a", 1.0)]
    assert len(results.read_text().splitlines()) == 2
    assert [path for path in leftovers(tmp_path / "out") if path.endswith(".jsonl")] == []


def test_two_drivers_on_one_file_lose_and_double_nothing(suite, tmp_path, monkeypatch):
    computed = tmp_path / "computed"
    from instdisc.transfer.features import cache

    extract = cache.extract_features

    def counted(*values, **named):
        with computed.open("a") as file:
            file.write("x")
        time.sleep(0.2)  # so that both want the same at once
        return extract(*values, **named)

    monkeypatch.setattr(cache, "extract_features", counted)
    names = ["knn", "count", "gap", "weights"]
    drivers = [start(drive, suite, names, {}) for _ in range(2)]
    for driver in drivers:
        driver.join()
    assert [driver.exitcode for driver in drivers] == [0, 0]
    records = read_records(tmp_path / "out" / "results.jsonl")
    assert len({record.job for record in records}) == len(records) == 2 * 3 + 1
    assert computed.read_text() == "x" * 4  # two backbones, two parts
    assert leftovers(tmp_path / "out") == []
    assert not suite(names).missing
