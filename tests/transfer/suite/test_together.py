"""Tasks that look at all backbones at once, and tasks that look at what another predicted."""

from pathlib import Path

import pytest
import torch

from instdisc import Backbone, Record, Scenes
from instdisc.transfer import TASKS, Task, run_suite, save_predictions
from instdisc.transfer.suite.tasks import TaskTable


@pytest.fixture
def backbones():
    torch.manual_seed(0)
    return {name: Backbone("test_resnet") for name in ("a", "b")}


@pytest.fixture
def suite(tmp_path, backbones):
    def call(tasks, checkpoints=None, **keywords):
        return run_suite(
            backbones if checkpoints is None else checkpoints,
            [Scenes(20, image_size=32, num_categories=2)],
            tasks=tasks,
            results=tmp_path / "results.jsonl",
            image_size=32,
            progress=False,
            **keywords,
        )

    return call


calls: list[object] = []


def compare(backbones, test, *, factor: float = 1.0, about=None, arrays=None, seed=0):
    """A task on several backbones."""
    calls.append(sorted(backbones))
    save_predictions(arrays, {"names": list(backbones)})
    weights = [
        float(next(backbone.parameters()).detach().abs().sum()) for backbone in backbones.values()
    ]
    return Record("compare", about.dataset, "weight", factor * sum(weights), method="a and b")


def compare_features(train, test, *, about=None):
    """A task on features of several backbones."""
    assert list(train) == list(test)
    return Record("compare_features", about.dataset, "n", len(train["a"].features), method="both")


def count_errors(predictions, test, *, about=None, arrays=None, least: int = 0):
    """A task on the predictions of kNN."""
    calls.append("errors")
    wrong = int((predictions["label"] != predictions["prediction"]).sum())
    save_predictions(arrays, {"wrong": torch.tensor([wrong])})
    return Record("errors", about.dataset, "wrong", max(wrong, least), n=len(test), method="x")


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    calls.clear()
    monkeypatch.setitem(TASKS, "compare", Task(compare, ("test",), "images", together=True))
    parts = ("train", "test")
    monkeypatch.setitem(TASKS, "pairs", Task(compare_features, parts, "features", together=True))
    monkeypatch.setitem(TASKS, "errors", Task(count_errors, ("test",), "images", after="knn"))


def test_all_backbones_come_in_one_call_that_is_not_made_again(suite, tmp_path):
    records = suite(["compare", "knn"])
    assert calls == [["a", "b"]]
    assert [(r.task, r.method) for r in records] == [
        ("knn", "a"),
        ("knn", "b"),
        ("compare", "a and b"),
    ]
    assert suite(["compare", "knn"]) == records
    assert len(calls) == 1
    assert (tmp_path / "predictions" / f"{records[-1].job}.npz").is_file()


def test_another_backbone_another_name_and_another_option_are_other_jobs(suite, backbones):
    first = suite(["compare"])
    torch.manual_seed(7)
    other = {**backbones, "b": Backbone("test_resnet")}
    assert suite(["compare"], other)[0].value != first[0].value
    suite(["compare"], {"c": backbones["a"], "b": backbones["b"]})
    doubled = suite(["compare"], options={"compare": {"factor": 2.0}})
    assert doubled[0].value == pytest.approx(2 * first[0].value)
    assert len(calls) == 4


def test_features_of_all_backbones(suite):
    assert [record.value for record in suite(["pairs"])] == [14]


def test_what_another_task_predicted(suite, tmp_path):
    records = suite(["errors"])
    assert [(r.task, r.method) for r in records] == [("errors", "a"), ("errors", "b")]
    # The task that it follows is on record, and not run again when asked for.
    stored = (tmp_path / "results.jsonl").read_text().count('"task": "knn"')
    assert stored == 2
    suite(["knn", "errors"])
    assert (tmp_path / "results.jsonl").read_text().count('"task": "knn"') == 2
    assert calls == ["errors"] * 2


def test_predictions_that_are_gone_are_made_again(suite, tmp_path):
    suite(["knn"])
    for file in Path(tmp_path / "predictions").glob("*.npz"):
        file.unlink()
    assert not suite(["errors"]).missing
    assert calls == ["errors"] * 2


def test_options_of_the_task_that_is_followed_count(suite):
    suite(["errors"])
    suite(["errors"], options={"knn": {"k": 3}})
    assert len(calls) == 4


def test_without_predictions_it_is_missing(suite):
    records = suite(["errors"], predictions=False)
    assert not records
    assert "predictions of knn: keep them" in records.missing[0].why


def test_one_run_has_to_be_meant(suite, monkeypatch):
    follow = Task(count_errors, ("test",), "images", after="few_shot")
    monkeypatch.setitem(TASKS, "errors", follow)
    with pytest.raises(ValueError, match="must be those of one run, since 'errors' looks at"):
        suite(["errors"], options={"few_shot": {"shots": [1, 5]}})


def test_a_task_by_its_dotted_name():
    table = TaskTable({"followed": f"{__name__}.FOLLOWED"})
    assert list(table) == ["followed"]
    assert table["followed"] is FOLLOWED
    assert table.data["followed"] is FOLLOWED


FOLLOWED = Task(count_errors, ("test",), "images", after="knn")
