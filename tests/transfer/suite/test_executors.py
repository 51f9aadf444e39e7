"""A suite on other processes: the same records, whatever runs them."""

import dataclasses
import logging
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import torch

from instdisc import Backbone, Scenes
from instdisc.checkpoint import export_backbone
from instdisc.data import LAYOUTS, Layout
from instdisc.records import read_records
from instdisc.transfer import TASKS, Processes, Task, run_suite

from . import executor_tasks as tasks

MIXED = ["weights", "knn", "gap", "count", "errors"]


@pytest.fixture(autouse=True)
def _tasks(monkeypatch):
    tasks.add_all(monkeypatch)


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """A file, a backbone and random weights."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("nets") / "a.safetensors"
    export_backbone(Backbone("test_resnet"), path)
    return {"file": path, "object": Backbone("test_resnet"), "drawn": "random:test_resnet"}


@pytest.fixture
def suite(tmp_path, nets):
    def call(names=("knn",), executor=None, sets=("scenes",), folder="out", **keywords):
        keywords = {"image_size": 32, "progress": False, "checkpoints": nets, **keywords}
        return run_suite(
            data_sets={name: Scenes(20, image_size=32, num_categories=2) for name in sets},
            tasks=names, results=tmp_path / folder / "results.jsonl", executor=executor,
            **keywords,
        )  # fmt: skip

    return call


@pytest.fixture(scope="module")
def forks():
    """Makes pools whose processes have imported everything: quick, and they may be killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["instdisc.transfer", "instdisc.transfer.suite.parcels"])
    return lambda: ProcessPoolExecutor(2, mp_context=context)


@pytest.fixture(scope="module")
def pool(forks):
    with forks() as made:
        yield made


def plain(records):
    """Without what differs from run to run."""
    return [record._replace(date="", seconds=0.0) for record in records]


def by_job(path):
    return sorted(plain(read_records(path)), key=lambda record: (record.job, record.metric))


def test_the_records_are_the_same_in_the_same_order(suite, pool, tmp_path):
    here = suite(MIXED, sets=["one", "two"], folder="here")
    there = suite(MIXED, pool, sets=["one", "two"], folder="there")
    assert here.missing == there.missing == []
    assert plain(here) == plain(there)
    assert len(here) == 2 * (3 * 4 + 1)
    assert [entry.path.name for entry in here.kept] == [entry.path.name for entry in there.kept]
    assert all(entry.path.is_file() == (entry.task != "count") for entry in there.kept if
               entry.task in ("count", "knn", "gap"))  # fmt: skip
    files = [tmp_path / folder / "results.jsonl" for folder in ("here", "there")]
    assert by_job(files[0]) == by_job(files[1])
    assert not list((tmp_path / "there").glob(".*.workers"))
    # Features of each backbone on each part of each set, as if nothing had been shared.
    names = [sorted(os.listdir(tmp_path / folder / "features")) for folder in ("here", "there")]
    assert names[0] == names[1]
    assert suite(MIXED, pool, sets=["one", "two"], folder="there") == there


def test_what_fails_is_missing_with_its_reason(suite, pool, caplog):
    with caplog.at_level(logging.WARNING):
        records = suite(["fail", "knn"], pool)
    assert [record.task for record in records] == ["knn"] * 3
    assert [tuple(missing) for missing in records.missing] == [
        (f"fail on scenes with {name}", "OfItsOwn: no luck") for name in ("file", "object", "drawn")
    ]
    assert caplog.text.count("no luck") == 3


def test_threads_of_one_process_take_turns(suite):
    with ThreadPoolExecutor(3) as threads:
        assert plain(suite(MIXED, threads, folder="there")) == plain(suite(MIXED, folder="here"))


def test_a_device_is_looked_for_where_jobs_run(suite):
    assert len(suite(device="auto")) == 3
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="`device` must be a device of this machine, got 'cuda'"):
        suite(device="cuda")
    with ThreadPoolExecutor(1) as thread:
        records = suite(executor=thread, device="cuda", folder="other")
        assert "`device` must be a device of this machine" in records.missing[0].why
        with pytest.raises(ValueError, match="`device` must be a device of torch"):
            suite(executor=thread, device="gpu")


def test_what_is_no_executor_is_refused(suite):
    with pytest.raises(TypeError, match="`executor` must be an executor, or a function that"):
        suite(executor=3)


def test_a_task_that_cannot_travel_is_refused_before_anything_runs(suite, monkeypatch, tmp_path):
    lock = open(tmp_path / "a file", "w")  # noqa: SIM115

    def held(train, test, *, about=None):
        return tasks.count_images(train, test, about=about, seed=lock.fileno())

    monkeypatch.setitem(TASKS, "held", Task(held, tasks.PAIR, "features"))
    with (
        ThreadPoolExecutor(1) as thread,
        pytest.raises(
            TypeError,
            match=r"`TASKS\['held'\]` must be something that other processes can be given",
        ),
    ):
        suite(["knn", "held"], thread)
    lock.close()
    assert not (tmp_path / "out" / "features").exists()


def test_a_layout_of_a_users_own(pool, nets, tmp_path, monkeypatch):
    before = list(LAYOUTS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "drawn.txt").touch()
    LAYOUTS.insert(0, Layout("images", "drawn", tasks.open_drawn, tasks.lies_so))
    try:
        records = run_suite(
            nets, ["mine"], tasks=["count"], data_root=tmp_path, image_size=32, progress=False,
            results=tmp_path / "out" / "results.jsonl", executor=pool,
        )  # fmt: skip
    finally:
        LAYOUTS[:] = before
    assert [(record.dataset, record.value) for record in records] == [("mine", 30.0)] * 3
    assert records.missing == []


def test_a_local_function_needs_cloudpickle(suite, monkeypatch, pool):
    def local(train, test, *, about=None):
        return tasks.count_images(train, test, about=about, seed=3)

    monkeypatch.setitem(TASKS, "local", Task(local, tasks.PAIR, "features"))
    pytest.importorskip("cloudpickle")
    assert [record.seed for record in suite(["local"], pool)] == [3] * 3
    monkeypatch.setattr("instdisc.transfer.suite.parcels.cloudpickle", None)
    with pytest.raises(TypeError, match="at the top of a module that they can import, or pip inst"):
        suite(["local"], pool, folder="other")


def test_a_module_that_workers_cannot_import_is_told(suite, pool, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text(
        "from instdisc import Record\n"
        "def one(train, test):\n"
        "    return Record('one', 'scenes', 'one', 1.0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    monkeypatch.setitem(TASKS, "one", Task(only_here.one, tasks.PAIR, "features"))
    (missing, *_) = suite(["one"], pool).missing
    assert "cannot run it: ModuleNotFoundError: No module named 'only_here'. Your tasks" in (
        missing.why
    )
    del sys.modules["only_here"]


def test_another_version_elsewhere_is_told(suite, monkeypatch, pool):
    monkeypatch.setattr("instdisc.transfer.suite.parcels.__version__", "99.0")
    (missing, *_) = suite(executor=pool).missing
    assert "`executor` must be of processes with instdisc 99.0" in missing.why


@dataclasses.dataclass
class Poll:
    """A job that is no future, as submitit's."""

    function: object
    arguments: tuple
    looks: int = 0

    def done(self):
        self.looks += 1
        return self.looks > 1

    def result(self):
        return self.function(*self.arguments)

    def __hash__(self):
        return id(self)


class Polled:
    """An executor whose jobs are no futures."""

    def submit(self, function, *arguments):
        return Poll(function, arguments)


def test_jobs_that_are_no_futures(suite):
    assert plain(suite(["knn"], Polled(), folder="there")) == plain(suite(["knn"], folder="here"))


# Processes of this machine.


def test_processes_divide_gpus_and_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("instdisc.transfer.suite.processes._num_cores", lambda: 8)
    processes = Processes(4, devices=[0, "GPU-7"])
    assert [processes.environment(number) for number in range(3)] == [
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": name} for name in ("0", "GPU-7", "0")
    ]
    assert Processes(devices=[0, 1]).num_workers == 2
    none = Processes(devices=[])
    assert (none.num_workers, none.environment(0)) == (8, {"OMP_NUM_THREADS": "1"})
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6")
    assert Processes().devices == ["4", "6"]
    with pytest.raises(ValueError, match="`num_workers` must be a whole number of at least 1"):
        Processes(0)
    with pytest.raises(TypeError, match="`devices` must be a list of numbers or names of GPUs"):
        Processes(devices=3)


def test_each_process_has_an_environment_of_its_own(suite, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "9")
    records = suite(["place", "knn"], Processes(2, devices=[4, 6]))
    assert records.missing == []
    places = [record for record in records if record.task == "place"]
    assert {record.value for record in places} <= {4.0, 6.0}
    assert all(record.settings["threads"] == 1 for record in places)
    assert all(record.settings["process"] != os.getpid() for record in places)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "9"
