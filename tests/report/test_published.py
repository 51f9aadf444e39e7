"""Numbers of others are whole, say how sure they are, and are of sets that we know."""

import json
from importlib import resources

import pytest

from instdisc.data import CATALOG
from instdisc.report import Published, published_values
from instdisc.transfer import TASKS

ROWS = published_values()
OTHER_SETS = {"voc07_test", "coco_val2017", "cityscapes", "voc2012_segmentation"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.task}-{row.method}-{row.metric}")
def test_row(row):
    assert isinstance(row, Published)
    assert 0 < row.value < 100
    assert row.unit == "%"
    assert row.task in TASKS or row.task == "unknown"
    assert row.dataset in CATALOG or row.dataset in OTHER_SETS
    assert all((row.source, row.method, row.metric))
    assert row.certainty in ("source", "source, second-hand", "web") or row.certainty.startswith(
        "recalled "
    )


def test_rows_are_one_number_each():
    keys = [json.dumps(row._replace(value=0.0, certainty="")) for row in ROWS]
    assert len(set(keys)) == len(ROWS) > 100


def test_numbers_of_the_papers():
    def values(*key, **settings):
        return {
            row.method: row.value
            for row in published_values(*key)
            if settings.items() <= row.settings.items()
        }

    readoff = values("moco_linear", "imagenet", "top-1", epochs=200, architecture="resnet50")
    assert readoff["MoCo v1"] == 60.8
    assert readoff["exemplar v1"] == 64.6
    assert readoff["MoCo v2"] == 67.5
    assert readoff["exemplar v2"] == 68.9
    voc07 = values("detection", "voc07_test", "VOC07 AP", train="voc07_trainval")
    assert (voc07["MoCo v1"], voc07["supervised"]) == (46.6, 42.4)
    assert (voc07["exemplar v1"], voc07["exemplar v2"]) == (47.2, 48.8)
    both = values("detection", "voc07_test", "VOC07 AP75", train="voc0712_trainval", epochs=800)
    assert both == {"MoCo v2": 64.0}
    coco = values("detection", "coco_val2017", "mask AP", iterations=180000)
    assert coco == {"supervised": 34.7, "MoCo v1": 35.4}
    assert values("segmentation", "cityscapes", "mIoU", head="fcn")["MoCo v1"] == 75.3


def test_how_sure_they_are():
    sure = {row.certainty: row.is_sure for row in ROWS}
    assert sure["source"]
    assert sure["source, second-hand"]
    assert sure["recalled 90%"]
    assert not sure["recalled 60%"]
    assert not sure["recalled 30%"]
    assert not sure["web"]


def test_shots_whatever_the_classifier():
    rows = published_values("few_shot", "mini_imagenet", "5-way 1-shot logistic")
    assert {row.method: row.value for row in rows}["exemplar v2"] == 59.02
    assert rows == published_values("few_shot", "mini_imagenet", "5-way 1-shot")
    assert published_values("few_shot", "mini_imagenet", "5-way 10-shot logistic") == []


def test_a_task_of_ones_own_has_none():
    assert published_values("median rank") == published_values("knn", "eurosat") == []


def test_the_file_is_part_of_the_package():
    assert resources.files("instdisc.report").joinpath("published.json").is_file()
    assert "published.json" in (resources.files("instdisc") / ".." / "setup.py").read_text()
