"""What workers have finished: seen by readers, taken over once, half lines passed over."""

import logging
import multiprocessing
import os
import time

import pytest

from instdisc.lines import mark_job
from instdisc.records import append_job, append_records, read_jobs, read_records
from instdisc.types import Record
from instdisc.worker_files import (
    begun_jobs,
    forget_unit,
    keep_job,
    kept_jobs,
    note_begun,
    take_over,
)

RECORDS = [Record("knn", "scenes", "top-1", 71.5, seed=seed, method="MoCo") for seed in range(3)]


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "results.jsonl"
    append_records(RECORDS[:1], path)
    append_job(RECORDS, path, "one")
    return path


def files(results):
    return sorted(path.name for path in results.parent.glob(".results.jsonl.workers/*"))


def test_readers_join_what_is_not_in_the_file_yet(results):
    keep_job(results, "unit", mark_job(RECORDS[:2], "two"))
    keep_job(results, "unit", mark_job(RECORDS[:1], "one"))  # in the file already, and not doubled
    keep_job(results, "other", mark_job(RECORDS[:2], "two"))  # of two drivers
    assert [(record.job, record.seed) for record in read_records(results)] == [
        ("", 0), ("one", 0), ("one", 1), ("one", 2), ("two", 0), ("two", 1),
    ]  # fmt: skip
    assert {key: len(job) for key, job in read_jobs(results).items()} == {"one": 3, "two": 2}
    assert list(kept_jobs(results, "unit")) == ["two", "one"]
    assert len(results.read_text().splitlines()) == 4


def test_jobs_without_any_results_file(tmp_path):
    keep_job(tmp_path / "results.jsonl", "unit", mark_job(RECORDS, "one"))
    assert list(read_jobs(tmp_path / "results.jsonl")) == ["one"]


def test_they_are_taken_over_once(results):
    keep_job(results, "unit", mark_job(RECORDS[:2], "two"))
    note_begun(results, "unit", "two")
    before = read_records(results)
    take_over(results)
    assert read_records(results) == before
    assert len(results.read_text().splitlines()) == 6
    assert files(results) == ["unit.begun"]  # its driver may live, and ask
    take_over(results)
    assert len(results.read_text().splitlines()) == 6


def test_a_job_that_was_broken_off_in_the_file_is_whole_in_that_of_the_worker(results):
    append_records(mark_job(RECORDS, "two")[:1], results)
    keep_job(results, "unit", mark_job(RECORDS, "two"))
    assert [record.seed for record in read_jobs(results)["two"]] == [0, 1, 2]
    assert len(read_records(results)) == 1 + 3 + 3
    take_over(results)
    assert len(read_records(results)) == 1 + 3 + 3


def test_the_half_line_of_a_killed_worker_is_passed_over(results, caplog):
    keep_job(results, "unit", mark_job(RECORDS[:1], "two"))
    (path,) = results.parent.glob(".results.jsonl.workers/*")
    with path.open("ab") as file:
        file.write(mark_job(RECORDS[:1], "three")[0].to_json()[:60].encode())
    with caplog.at_level(logging.WARNING):
        assert list(read_jobs(results)) == ["one", "two"]
    assert "its last line has no end and is passed over" in caplog.text
    take_over(results)
    assert list(read_jobs(results)) == ["one", "two"]
    assert files(results) == []


def test_what_a_unit_had_begun(results):
    assert begun_jobs(results, "unit") == []
    for key in ("two", "three"):
        note_begun(results, "unit", key)
    assert begun_jobs(results, "unit") == ["two", "three"]
    forget_unit(results, "unit")
    assert not (results.parent / ".results.jsonl.workers").exists()
    forget_unit(results, "unit")


def test_what_a_dead_driver_left_goes_after_a_while(results):
    note_begun(results, "unit", "two")
    (path,) = results.parent.glob(".results.jsonl.workers/*")
    os.utime(path, (0, 0))
    take_over(results)
    assert not path.parent.exists()


def test_without_locks_files_stay_and_are_not_doubled(results, monkeypatch, caplog):
    """A worker whose driver died may be writing."""

    def unknown(*_, **__):
        raise OSError("no locks here")

    keep_job(results, "unit", mark_job(RECORDS[:2], "two"))
    monkeypatch.setattr("instdisc.locking.FileLock.acquire", unknown)
    for _ in range(2):
        take_over(results)
        assert files(results) == ["unit.jsonl"]
        assert len(read_records(results)) == 6
    assert "cannot be locked (no locks here): let one process alone write to it" in caplog.text


def keep_many(results, worker, barrier):
    barrier.wait()
    for number in range(30):
        keep_job(results, f"unit{worker}", mark_job(RECORDS, f"{worker}-{number}"))


def test_workers_that_write_while_others_take_over_lose_nothing(results):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    workers = [context.Process(target=keep_many, args=(results, w, barrier)) for w in range(2)]
    for worker in workers:
        worker.start()
    barrier.wait()
    seen = 0
    while any(worker.is_alive() for worker in workers):
        take_over(results)
        jobs = len(read_jobs(results))
        assert jobs >= seen  # never out of sight between two files
        seen = jobs
        time.sleep(0.01)
    take_over(results)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert {len(job) for job in read_jobs(results).values()} == {3}
    assert len(read_jobs(results)) == 1 + 2 * 30
    assert len(results.read_text().splitlines()) == 1 + 3 * 61
