"""A study, from its preset to its records."""

import json
import shutil
import time

import pytest

from instdisc.records import read_records
from instdisc.study import read_preset, run_study
from instdisc.study.budget import BudgetSpent
from instdisc.study.store import Store
from instdisc.types import Record


def run(preset, data, folder, **options):
    lines = []
    missing = run_study(
        preset,
        data_root=data,
        out=folder / "out",
        records=folder / "records",
        tell=lines.append,
        **options,
    )
    assert missing == []
    return lines


def numbers(folder):
    """What must not depend on how a study was run: all but times."""
    records = read_records(folder / "records" / "tiny.jsonl")
    kept = {(r.method, r.seed, r.task, r.dataset, r.metric, r.job): r.value for r in records}
    assert len(kept) == len(records)
    cells = Store(folder / "records", "tiny").cells()
    weights = {(cell["method"], cell["seed"], cell["round"]): cell["weights"] for cell in cells}
    return kept, weights


@pytest.fixture(scope="module")
def finished(study_data, tmp_path_factory):
    import yaml

    from .conftest import PRESET

    folder = tmp_path_factory.mktemp("finished")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(PRESET, sort_keys=False))
    lines = run(read_preset(path), study_data, folder)
    return folder, lines


def test_all_is_there(finished, study_data):
    folder, lines = finished
    store = Store(folder / "records", "tiny")
    # Rates first, one after another; then seed after seed, and the second round at the end.
    assert [line.split(":")[0] for line in lines] == [
        *(f"{method}-rate-{rate}" for rate in (0.01, 0.1) for method in ("moco", "cross_entropy")),
        *(f"{m}-{seed} frozen" for seed in (0, 1) for m in ("random", "moco", "cross_entropy")),
        *("random-0 few", "moco-0 few"),
    ]
    trials = {(trial["method"], trial["learning_rate"]): trial for trial in store.trials()}
    for cell in store.cells():
        if cell["method"] == "random":
            assert cell["learning_rate"] is None
            assert cell["steps"] == 0
            continue
        best = max((0.01, 0.1), key=lambda rate: trials[cell["method"], rate]["value"])
        assert cell["learning_rate"] == best
        assert cell["steps"] == 2 * 3  # epochs of 24 images, 8 in a step
        assert cell["loss"] > 0
    records = store.records()
    assert {record.pretraining for record in records if record.method == "random"} == {"random"}
    assert {record.checkpoint for record in records if record.method == "moco"} == {
        "moco-0.safetensors",
        "moco-1.safetensors",
    }
    by_cell = {(cell["method"], cell["seed"]): cell["weights"] for cell in store.cells()}
    assert len(set(by_cell.values())) == 6
    assert all(record.weights == by_cell[record.method, record.seed] for record in records)
    text = "".join(path.read_text() for path in (folder / "records").glob("*.jsonl"))
    assert str(study_data) not in text
    assert str(folder) not in text
    # What the readout learns from on the second set is the share that the preset names.
    assert {r.settings["bank"] for r in records if (r.task, r.dataset) == ("knn", "birds")} == {8}


def test_nothing_is_run_twice(finished, study_data):
    folder, _ = finished
    before = numbers(folder)
    assert run(read_preset(folder / "tiny.yaml"), study_data, folder) == []
    assert numbers(folder) == before


def test_in_pieces_it_is_the_same(finished, preset_file, study_data, tmp_path):
    preset = read_preset(preset_file)
    run(preset, study_data, tmp_path, most=3)
    # A budget that is spent at once: every call ends behind an epoch or before a task.
    assert "budget is spent" in run(preset, study_data, tmp_path, budget=1e-6)[-1]
    for _ in range(3):
        run(preset, study_data, tmp_path, budget=1e-6, most=1)
    run(preset, study_data, tmp_path)
    assert numbers(tmp_path) == numbers(finished[0])
    for cell in Store(finished[0] / "records", "tiny").cells():
        assert cell["resumed"] == []
        assert cell["seconds"]


def test_tasks_that_were_there_tell_no_seconds(finished, study_data, tmp_path):
    folder, _ = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "records" / "tiny_cells.jsonl").unlink()
    time.sleep(1.1)  # dates have whole seconds
    run(read_preset(folder / "tiny.yaml"), study_data, tmp_path, most=1)
    (cell,) = Store(tmp_path / "records", "tiny").cells()
    assert (cell["seconds"], cell["resumed"]) == ({}, ["knn", "linear"])


def test_a_difference_takes_the_place_of_an_earlier_one(tmp_path):
    store = Store(tmp_path, "tiny")
    settings = {"a": "moco", "b": "random"}
    old = Record(
        "knn", "birds", "top-1", 1.0, method="moco - random", settings={**settings, "p": 1}
    )
    other = old._replace(seed=1)
    store.put_differences([old, other])
    new = old._replace(value=2.0, settings={**settings, "p": 0.5})
    store.put_differences([new])
    assert store.paired() == [new, other]


def test_a_checkpoint_that_is_another_is_told(finished, study_data, tmp_path):
    folder, _ = finished
    records = tmp_path / "records"
    records.mkdir()
    for path in (folder / "records").glob("*.jsonl"):
        (records / path.name).write_bytes(path.read_bytes())
    store = Store(records, "tiny")
    cells = store.cells()
    kept = [cell for cell in cells if (cell["method"], cell["round"]) != ("moco", "few")]
    for cell in kept:
        if cell["method"] == "moco":
            cell["weights"] = "0" * 32
    (records / "tiny_cells.jsonl").write_text("".join(json.dumps(c) + "\n" for c in kept))
    with pytest.raises(RuntimeError, match="the weights of moco-0 are .*, its records are of 0000"):
        run(read_preset(folder / "tiny.yaml"), study_data, tmp_path)


def test_what_has_no_result_is_missing(preset_file, study_data, tmp_path):
    preset = read_preset(preset_file)
    first = preset.rounds[0]
    lost = first.suites[1]._replace(sets=["no_such_set"])
    preset = preset._replace(
        methods={"random": preset.methods["random"]},
        rounds=[first._replace(suites=[first.suites[0], lost])],
    )
    lines = []
    missing = run_study(
        preset, data_root=study_data, out=tmp_path, records=tmp_path, tell=lines.append
    )
    assert [what for what, _ in missing] == ["linear on no_such_set"] * 2  # of two seeds
    assert Store(tmp_path, "tiny").cells() == []
    assert lines[0].startswith("random-0 frozen: 1 missing")


def test_another_process_has_a_piece(preset_file, study_data, tmp_path):
    from filelock import FileLock

    preset = read_preset(preset_file)
    locks = tmp_path / "out" / "tiny" / "locks"
    locks.mkdir(parents=True)
    with FileLock(locks / "moco-rate-0.01.lock"):
        lines = run(preset, study_data, tmp_path, most=1)
    assert lines[0].startswith("cross_entropy-rate-0.01: ")


def test_budget_is_checked():
    from instdisc.study.budget import Budget

    with pytest.raises(BudgetSpent):
        Budget(-1.0).check()
