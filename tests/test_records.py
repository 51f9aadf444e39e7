"""Records on disk: several processes, killed processes, and files of the first release."""

import json
import logging
import multiprocessing
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from instdisc.records import (
    Run,
    append_job,
    append_records,
    device_name,
    read_jobs,
    read_records,
)
from instdisc.types import About, Record

RECORDS = [
    Record("knn", "scenes", "top-1", 71.5, low=70.3, high=72.7, n=600, seed=seed, method="MoCo")
    for seed in range(3)
]
# As release 0.1.0 wrote them, by a task and by the suite.
FIRST = (
    '{"task": "readout", "dataset": "pets", "metric": "ECE", "value": 4.5, "ci": 1.5, "unit": "%",'
    ' "method": "MoCo", "checkpoint": "runs/a.safetensors", "seed": 3, "seconds": 0.5,'
    ' "settings": {"penalty": 1.0, "test": 600, "interval": "bootstrap, 1000 resamples",'
    ' "job": "e1b90d9add5be187", "job_records": 1}}'
)
FIRST_WITHOUT_INTERVAL = (
    '{"task": "detection", "dataset": "cells", "metric": "box AP", "value": 25.0, "ci": null,'
    ' "unit": "%", "method": "random", "checkpoint": "", "seed": 0, "seconds": 0.2,'
    ' "settings": {"iterations": 1}}'
)
FIRST_NORMAL = (
    '{"task": "few_shot", "dataset": "many", "metric": "5-way 1-shot logistic", "value": 44.0,'
    ' "ci": 9.5, "unit": "%", "method": "MoCo", "checkpoint": "", "seed": 0, "seconds": 0.1,'
    ' "settings": {"episodes": 5, "shots": 1}}'
)


def test_what_is_appended_is_read_in_order(tmp_path):
    path = tmp_path / "new" / "folder" / "results.jsonl"
    append_records(RECORDS[:1], path)
    append_records(iter(RECORDS[1:]), str(path))
    assert read_records(path) == RECORDS
    assert len(path.read_text().splitlines()) == 3


def test_no_records_make_an_empty_file(tmp_path):
    append_records([], tmp_path / "none.jsonl")
    assert read_records(tmp_path / "none.jsonl") == []


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.jsonl"):
        read_records(tmp_path / "none.jsonl")
    assert read_jobs(tmp_path / "none.jsonl") == {}


# Several processes.


def write_many(path, writer, barrier):
    barrier.wait()
    # Of unlike lengths, and longer than one page, so that a mixed line could not be missed.
    for number in range(50):
        settings = {"text": str(writer) * (100 * number)}
        append_records([RECORDS[0]._replace(seed=1000 * writer + number, settings=settings)], path)


def test_four_processes_lose_and_mix_no_line(tmp_path):
    path = tmp_path / "results.jsonl"
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    writers = [context.Process(target=write_many, args=(path, w, barrier)) for w in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            for record in read_records(path):  # never a half line
                assert record.value == 71.5
        time.sleep(0.02)
    assert [writer.exitcode for writer in writers] == [0] * 4
    records = read_records(path)
    assert sorted(r.seed for r in records) == [1000 * w + n for w in range(4) for n in range(50)]
    for record in records:
        writer, number = divmod(record.seed, 1000)
        assert record.settings == {"text": str(writer) * (100 * number)}
    # Each writer's lines stand in its order.
    for writer in range(4):
        own = [record.seed for record in records if record.seed // 1000 == writer]
        assert own == sorted(own)


def job_at_once(path, barrier):
    barrier.wait()
    append_job(RECORDS, path, "key")


def test_a_job_of_four_processes_is_written_once(tmp_path):
    path = tmp_path / "results.jsonl"
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    writers = [context.Process(target=job_at_once, args=(path, barrier)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [record.seed for record in read_records(path)] == [0, 1, 2]


def test_a_reader_never_cuts_off_what_another_process_is_writing(tmp_path, caplog):
    path = tmp_path / "results.jsonl"
    append_records(RECORDS[:1], path)
    line = RECORDS[1].to_json() + "\n"
    with path.open("ab") as writer:
        writer.write(line[:50].encode())
        writer.flush()
        with caplog.at_level(logging.WARNING):
            assert read_records(path) == RECORDS[:1]
            assert read_jobs(path) == {}
        writer.write(line[50:].encode())
    assert "its last line has no end and is passed over" in caplog.text
    assert read_records(path) == RECORDS[:2]


def hold_half_a_line(path, ready):
    with path.open("ab") as writer:
        writer.write(RECORDS[1].to_json()[:60].encode())
        writer.flush()
        ready.set()
        time.sleep(60)


def test_the_half_line_of_a_killed_writer_is_removed_by_the_next(tmp_path, caplog):
    path = tmp_path / "results.jsonl"
    append_records(RECORDS[:1], path)
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    writer = context.Process(target=hold_half_a_line, args=(path, ready))
    writer.start()
    assert ready.wait(20)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    size = path.stat().st_size
    assert read_records(path) == RECORDS[:1]
    assert path.stat().st_size == size  # whoever reads changes nothing
    with caplog.at_level(logging.WARNING):
        append_records(RECORDS[2:], path)
    assert "its last line is cut short and is removed" in caplog.text
    assert read_records(path) == [RECORDS[0], RECORDS[2]]


def die_with_the_lock(path, ready):
    from instdisc.lines import hold_file

    with hold_file(path):
        ready.set()
        time.sleep(60)


def test_the_lock_of_a_killed_writer_is_free(tmp_path):
    path = tmp_path / "results.jsonl"
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    writer = context.Process(target=die_with_the_lock, args=(path, ready))
    writer.start()
    assert ready.wait(20)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    append_records(RECORDS, path)
    assert read_records(path) == RECORDS


def test_a_file_that_is_nothing_but_a_half_line(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text(RECORDS[0].to_json()[:30])
    assert read_records(path) == []
    append_job(RECORDS[:1], path, "key")
    (record,) = read_records(path)
    assert (record.job, record.job_records) == ("key", 1)


# Jobs.


def test_a_job_that_is_appended_twice_doubles_nothing(tmp_path):
    path = tmp_path / "results.jsonl"
    first = append_job(RECORDS, path, "one")
    again = append_job([r._replace(value=1.0) for r in RECORDS], path, "one")
    append_job(RECORDS[:1], path, "two")
    assert again == first
    assert first == [record._replace(job="one", job_records=3) for record in RECORDS]
    assert len(read_records(path)) == 4
    assert {key: len(job) for key, job in read_jobs(path).items()} == {"one": 3, "two": 1}


def test_a_job_that_was_broken_off_is_done_again_and_counts_once(tmp_path):
    path = tmp_path / "results.jsonl"
    marked = [record._replace(job="one", job_records=3) for record in RECORDS]
    append_records([RECORDS[0], *marked[:2]], path)
    assert read_jobs(path) == {}
    assert len(read_records(path)) == 3
    again = append_job([r._replace(value=50.0) for r in RECORDS], path, "one")
    assert read_jobs(path) == {"one": again}
    assert read_records(path) == [RECORDS[0], *again]


# Lines.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "Expecting property name"),
        (b'{"task": "knn"}', "`line` must be a JSON object with the fields"),
        (RECORDS[0].to_json()[:50].encode(), "Unterminated string|Expecting"),
        (b"\xff\xfe", "'utf-8' codec can't decode"),
        (
            RECORDS[0].to_json().replace('"format": 2', '"format": 3').encode(),
            "a record of form 2 or an earlier one, got form 3. A later release wrote it: update",
        ),
        (b"[]", "`line` must be a JSON object"),
        (b"null", "`line` must be a JSON object"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "results.jsonl"
    append_records(RECORDS[:1], path)
    with path.open("ab") as file:
        file.write(line + b"\n")
    append_records(RECORDS[1:], path)
    for read in (read_records, read_jobs):
        with pytest.raises(ValueError, match=rf"results.jsonl, line 2: .*({message})"):
            read(path)
    with pytest.raises(ValueError, match=r"results.jsonl, line 2: "):
        append_job(RECORDS, path, "key")


def test_a_text_may_hold_what_ends_lines_elsewhere(tmp_path):
    path = tmp_path / "results.jsonl"
    names = ["a\u2028b", "a\x85b", "a\nb", "Straße", "猫"]
    records = [RECORDS[0]._replace(method=name) for name in names]
    append_records(records, path)
    assert read_records(path) == records
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    assert read_records(path) == records


def test_empty_lines_are_passed_over(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_bytes(f"{RECORDS[0].to_json()}\r\n\n{RECORDS[1].to_json()}\n".encode())
    assert read_records(path) == RECORDS[:2]


def test_lines_of_the_first_release_are_read(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text(f"{FIRST}\n{FIRST_WITHOUT_INTERVAL}\n{FIRST_NORMAL}\n")
    append_records(RECORDS[:1], path)
    ece, detection, few_shot, new = read_records(path)
    assert (ece.task, ece.dataset, ece.metric, ece.value) == ("readout", "pets", "ECE", 4.5)
    assert (ece.low, ece.high, ece.ci) == (3.0, 6.0, 1.5)
    assert (ece.interval, ece.n) == ("bootstrap, 1000 resamples", 600)
    assert not ece.higher_is_better
    assert (ece.job, ece.job_records) == ("e1b90d9add5be187", 1)
    assert "job" not in ece.settings
    assert "job_records" not in ece.settings
    assert ece.settings["penalty"] == 1.0
    assert (ece.seed, ece.seconds, ece.checkpoint) == (3, 0.5, "runs/a.safetensors")
    assert ece.versions == {"instdisc": "0.1.0"}
    assert (detection.low, detection.high, detection.ci, detection.interval) == (None,) * 3 + ("",)
    assert detection.higher_is_better
    assert (few_shot.interval, few_shot.n) == ("normal, of release 0.1.0", 5)
    assert new == RECORDS[0]
    assert list(read_jobs(path)) == ["e1b90d9add5be187"]
    # What was read goes back in the present form, and is the same.
    append_records([ece], path)
    assert read_records(path)[-1] == ece


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("field", ["value", "low", "high"])
def test_what_is_not_finite_is_refused_and_nothing_is_written(tmp_path, bad, field):
    path = tmp_path / "results.jsonl"
    records = [RECORDS[0], RECORDS[1]._replace(**{field: bad})]
    with pytest.raises(ValueError, match="finite numbers.* 'top-1' of 'knn' on 'scenes'"):
        append_records(records, path)
    with pytest.raises(ValueError, match="finite numbers"):
        append_job(records, path, "key")
    assert not path.exists()


def test_what_json_has_not_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="finite numbers and JSON values, got 'top-1'"):
        append_records([RECORDS[0]._replace(settings={"rate": float("nan")})], tmp_path / "x.jsonl")
    with pytest.raises(TypeError, match="JSON values, got 'top-1' of 'knn' on 'scenes'.*Path"):
        append_records([RECORDS[0]._replace(settings={"to": Path("x")})], tmp_path / "x.jsonl")


# Files that cannot be written.


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("")
    for append in (append_records, lambda r, p: append_job(r, p, "key")):
        with pytest.raises(OSError, match="`path` must be a file that can be written"):
            append(RECORDS, tmp_path / "runs" / "results.jsonl")


def test_a_path_that_is_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="`path` must be a file that can be written"):
        append_records(RECORDS, tmp_path)


def test_a_read_only_folder(tmp_path, caplog, monkeypatch):
    folder = tmp_path / "kept"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.access(folder, os.W_OK):  # as root, whom no mode stops

        def denied(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", denied)
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(
            PermissionError,
            match=r"`path` must be a file that can be written \(Permission denied\), got "
            r"'.*results.jsonl'. Choose another folder",
        ),
    ):
        append_records(RECORDS, folder / "results.jsonl")
    assert not caplog.records  # no advice about locks that has nothing to do with it
    folder.chmod(stat.S_IRWXU)


# Runs.


def test_a_run_gives_each_record_what_is_known_of_it():
    about = About(
        "MoCo",
        checkpoint="a.safetensors",
        pretraining="MoCoModule",
        architecture="resnet18",
        parameters=11,
        weights="ab12",
        dataset="scenes",
        view={"size": 224},
    )
    run = Run(about, seed=3, seconds=1.5, settings={"k": 20})
    record = run.record("knn", "rank", 7, ends=(5, 9), interval="t", n=10, higher_is_better=False)
    assert (record.value, record.low, record.high, record.interval) == (7.0, 5.0, 9.0, "t")
    assert not record.higher_is_better
    for field, value in about._asdict().items():
        assert getattr(record, field) == value
    assert (record.seed, record.seconds, record.settings) == (3, 1.5, {"k": 20})
    assert set(record.versions) == {"instdisc", "torch"}
    assert record.date.endswith("+00:00")
    assert record.device == device_name("cpu")
    assert Record.from_json(record.to_json()) == record
    assert run.record("knn", "rank", 7, interval="t").interval == ""


def test_a_method_without_a_name_is_its_architecture():
    assert Run(About(architecture="resnet18")).record("knn", "top-1", 1.0).method == "resnet18"


def test_a_run_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="`top-1 of knn on scenes` must be a finite number"):
        Run(About(dataset="scenes")).record("knn", "top-1", float("nan"))
