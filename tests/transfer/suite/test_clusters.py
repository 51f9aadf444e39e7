"""A suite on dask's cluster and on submitit's: they bring processes of their own."""

import logging

import pytest
import torch

from instdisc import Backbone, Scenes
from instdisc.records import read_records
from instdisc.transfer import run_suite

from . import executor_tasks as tasks

# What the packages themselves warn of, and leave to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def _tasks(monkeypatch):
    tasks.add_all(monkeypatch)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Backbone("test_resnet")


@pytest.fixture
def suite(tmp_path, net):
    def call(names, executor=None, folder="out", **options):
        return run_suite(
            {"net": net}, {"scenes": Scenes(20, image_size=32, num_categories=2)}, tasks=names,
            options=options, results=tmp_path / folder / "results.jsonl", image_size=32,
            progress=False, executor=executor,
        )  # fmt: skip

    return call


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """An executor of a cluster of one process, which a nanny replaces if it dies."""
    distributed = pytest.importorskip("dask.distributed")
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client.get_executor()


@pytest.fixture
def submitit(tmp_path):
    module = pytest.importorskip("submitit")
    executor = module.AutoExecutor(tmp_path / "logs", cluster="local")
    executor.update_parameters(timeout_min=5)
    return executor


def by_job(path):
    """Without what differs from run to run."""
    records = [record._replace(date="", seconds=0.0) for record in read_records(path)]
    return sorted(records, key=lambda record: (record.job, record.metric))


def test_a_file_made_by_three_executors_in_turn_is_that_of_none(suite, dask, submitit, tmp_path):
    names = ["knn", "count", "weights", "errors", "gap"]
    debug = pytest.importorskip("submitit").AutoExecutor(tmp_path / "logs", cluster="debug")
    assert not suite(["knn"], dask).missing
    assert not suite(["knn", "count"], submitit).missing
    together = suite(names, debug)
    here = suite(names, folder="here")
    assert [r._replace(date="", seconds=0.0) for r in together] == [
        r._replace(date="", seconds=0.0) for r in here
    ]
    files = [tmp_path / folder / "results.jsonl" for folder in ("out", "here")]
    assert by_job(files[0]) == by_job(files[1])
    assert len(files[0].read_text().splitlines()) == 5


@pytest.mark.slow
def test_a_worker_of_dask_that_is_killed(suite, dask, tmp_path):
    records = suite(["die", "knn"], dask, die={"marks": str(tmp_path)})
    assert [record.task for record in records] == ["die", "knn"]
    assert records[0].value == 2.0


@pytest.mark.slow
def test_a_job_of_submitit_that_is_killed_always(suite, submitit, tmp_path):
    records = suite(["die", "knn"], submitit, die={"marks": str(tmp_path), "times": 9})
    assert [record.task for record in records] == ["knn"]
    (missing,) = records.missing
    assert missing.what == "die on scenes with net"
    assert missing.why.startswith("the process that ran it died twice (UncompletedJobError: ")
    assert (tmp_path / "scenes net").read_text() == "xx"
