"""Records to a file and back."""

import pytest

from instdisc.report import append_records, read_records
from instdisc.types import Record

RECORDS = [
    Record("knn", "scenes", "top-1", 71.5, 1.2, "%", "MoCo", "", seed, 3.1, {"k": 20})
    for seed in range(3)
]


def test_what_is_appended_is_read_in_order(tmp_path):
    path = tmp_path / "new" / "folder" / "results.jsonl"
    append_records(RECORDS[:1], path)
    append_records(iter(RECORDS[1:]), str(path))
    assert read_records(path) == RECORDS
    assert len(path.read_text().splitlines()) == 3


def test_no_records_make_an_empty_file(tmp_path):
    append_records([], tmp_path / "none.jsonl")
    assert read_records(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("line", ["{", '{"task": "knn"}', "", RECORDS[0].to_json()[:50]])
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "results.jsonl"
    append_records(RECORDS[:1], path)
    with path.open("a") as file:
        file.write(line + "\n")
    append_records(RECORDS[1:], path)
    with pytest.raises(ValueError, match=r"results.jsonl, line 2: "):
        read_records(path)
