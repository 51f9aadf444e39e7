"""Notes of the calls that wrote to a results file."""

import sys

import pytest

from instdisc import Backbone
from instdisc.data import Scenes
from instdisc.runs import append_run, read_runs
from instdisc.transfer import run_suite


def test_notes_are_read_as_they_were_written(tmp_path, monkeypatch):
    results = tmp_path / "new" / "results.jsonl"
    assert read_runs(results) == []
    monkeypatch.setattr(sys, "argv", ["transfer.py", "--data", "two words"])
    append_run(results, [("knn on pets", "no\nsuch set")])
    append_run(results)
    first, second = read_runs(results)
    assert first.command == "transfer.py --data 'two words'"
    assert first.missing == (("knn on pets", "no\nsuch set"),)
    assert second.missing == ()
    assert first.date <= second.date


def test_a_damaged_note_is_named(tmp_path):
    path = append_run(tmp_path / "results.jsonl")
    with path.open("a") as file:
        file.write('{"date": "2026"}\n')
    with pytest.raises(ValueError, match=r"results.runs.ndjson, line 2: no note of a run"):
        read_runs(tmp_path / "results.jsonl")


def test_a_suite_notes_what_it_misses(tmp_path):
    results = tmp_path / "results.jsonl"
    scenes = Scenes(20, image_size=32, num_categories=2)
    records = run_suite(
        {"random": Backbone("test_resnet")},
        [scenes],
        tasks=["knn", "detection"],
        image_size=32,
        results=results,
        progress=False,
    )
    (note,) = read_runs(results)
    assert len(records) == 1
    assert note.missing == tuple(records.missing)
    assert note.missing[0][0].startswith("detection on scenes")
