"""Records in one order: what a report says does not depend on which job ended first."""

import random
from collections import Counter

import pytest

from instdisc.records import append_records, read_records
from instdisc.report import results_table, sort_records, write_report
from instdisc.report.material import read_material
from instdisc.report.order import TASKS
from instdisc.transfer import TASKS as RUN
from instdisc.types import Record

NETS = {"net 100": 80.0, "Net 20": 70.0, "random": 40.0}


def job(task, dataset, method, seed=0, metrics=("top-1", "ECE"), **fields):
    """The records of one run."""
    fields = {
        "architecture": "resnet50",
        "weights": method.encode().hex(),
        "pretraining": "random" if method == "random" else "MoCoModule",
        "date": "2026-11-26T15:05:43+00:00",
        "seconds": 0.1 + 0.2 * seed,
        **fields,
    }
    value = NETS.get(method, 50.0) + seed
    made = [Record(task, dataset, metric, value, value - 2, value + 2, "Wilson, 900 images", 900,
                   method=method, seed=seed, job=f"{task}{dataset}{method}{seed}{metrics[0]}",
                   job_records=len(metrics), **fields) for metric in metrics]  # fmt: skip
    return [record._replace(higher_is_better=record.metric != "ECE") for record in made]


def jobs():
    made = []
    for dataset in ("cars", "pets10", "pets9"):
        for method in NETS:
            made += [job("own_task", dataset, method, metrics=("zest", "aroma"))]
            made += [job(task, dataset, method) for task in ("readout", "knn", "stage2_readout")]
            made += [
                job("few_shot", dataset, method, seed, metrics=(f"5-way {shots}-shot logistic",),
                    settings={"shots": shots})
                for shots in (20, 5) for seed in (0, 1, 2)
            ]  # fmt: skip
        made += [job("layer2_similarity", dataset, "Net 20 and net 100", metrics=("CKA",))]
    # Two checkpoints of one name, of which one was measured twice.
    for number in (10, 9):
        made.append(job("knn", "cars", "twice", seed=0, checkpoint=f"runs/{number}/net.pt"))
        made[-1] = [r._replace(job=f"{r.job}{number}", weights=str(number)) for r in made[-1]]
    made.append([r._replace(value=1.0, job="again", date="2026-11-27T00") for r in made[-1]])
    return made


def flat(listed):
    return [record for run in listed for record in run]


@pytest.fixture
def shuffled():
    listed = jobs()
    random.Random(4).shuffle(listed)
    return flat(listed)


def test_the_order_is_that_of_names_and_tasks(shuffled):
    ordered = sort_records(shuffled)
    assert Counter(map(repr, ordered)) == Counter(map(repr, shuffled))
    assert list(dict.fromkeys(record.method for record in ordered)) == [
        *("Net 20", "net 100", "twice", "random", "Net 20 and net 100")
    ]
    assert list(dict.fromkeys(record.dataset for record in ordered)) == ["cars", "pets9", "pets10"]
    pets = [record for record in ordered if record.dataset == "pets9"]
    net = [(r.task, r.metric, r.seed) for r in pets if r.method == "random"]
    assert net == [
        *(("knn", "top-1", 0), ("knn", "ECE", 0)),
        *(("readout", "top-1", 0), ("readout", "ECE", 0)),
        *(("stage2_readout", "top-1", 0), ("stage2_readout", "ECE", 0)),
        *(("few_shot", f"5-way {k}-shot logistic", seed) for k in (5, 20) for seed in (0, 1, 2)),
        *(("own_task", "zest", 0), ("own_task", "aroma", 0)),
    ]


def test_it_does_not_depend_on_the_order_of_the_runs(shuffled):
    assert sort_records(shuffled) == sort_records(flat(jobs())) == sort_records(flat(jobs()[::-1]))
    assert sort_records(sort_records(shuffled)) == sort_records(shuffled)


def test_what_was_measured_again_stands_behind_the_first():
    fields = ("knn", "pets", "top-1")
    first, second = Record(*fields, 70.0), Record(*fields, 60.0)
    assert sort_records([first, second]) == [first, second]  # nothing tells when
    assert sort_records([second, first]) == [second, first]
    first, second = first._replace(date="2026-02-03"), second._replace(date="2026-02-01")
    assert sort_records([first, second]) == [second, first]


def test_records_without_a_job_keep_their_metrics_in_order(shuffled):
    bare = [r._replace(job="", job_records=0) for r in shuffled]
    assert sort_records(bare) == [r._replace(job="", job_records=0) for r in sort_records(shuffled)]


def test_a_shuffled_file_gives_the_same_page_and_tables(shuffled, tmp_path):
    files = {}
    for folder, records in (("one", flat(jobs())), ("two", shuffled)):
        append_records(records, tmp_path / "in" / "results.jsonl")
        write_report([tmp_path / "in" / "results.jsonl"], tmp_path / folder / "report.html")
        (tmp_path / "in" / "results.jsonl").unlink()
        files[folder] = {file.name: file.read_bytes() for file in (tmp_path / folder).iterdir()}
    assert len(files["one"]) == 4
    assert files["one"] == files["two"]


def test_files_keep_their_order_and_so_does_who_gives_one(shuffled, tmp_path):
    paths = []
    for method in ("random", "net 100"):
        paths.append(tmp_path / f"{method}.jsonl")
        append_records([r for r in shuffled if r.method == method], paths[-1])
    read = read_material(paths).records
    assert list(dict.fromkeys(record.method for record in read)) == ["random", "net 100"]
    assert read != [record for path in paths for record in read_records(path)]
    table = results_table([r for r in read if r.task == "knn"])
    assert [cell.plain for cell in table.columns[0].cells] == ["random", "net 100"]


def test_the_tasks_stand_as_the_suite_has_them():
    common = [task for task in RUN if task in TASKS]
    assert len(common) > 15
    assert common == sorted(common, key=TASKS.index)


def test_only_records_are_sorted():
    with pytest.raises(TypeError, match="`records` must be a list of records, got 'knn'"):
        sort_records(["knn"])
