"""Numbers of others are whole, say how sure they are, and are of sets that we know."""

import json
from importlib import resources

import pytest

from instdisc.data import CATALOG
from instdisc.report import Published, published_lines, published_values
from instdisc.transfer import TASKS
from instdisc.types import Record

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


def ours(task, dataset, metric, n=0, **fields):
    return Record(task, dataset, metric, 50.0, n=n, **fields)


def test_lines_below_a_table():
    records = [
        ours("knn", "imagenet", "top-1", 50000),
        ours("segmentation", "cityscapes", "mIoU", 500, method="MoCo"),
        ours("segmentation", "cityscapes", "mIoU", 500, method="random"),
        ours("segmentation", "cityscapes", "pixel accuracy", 500),
    ]
    assert published_lines(records) == [
        "published, not ours: segmentation, cityscapes, mIoU (He et al. (2020), MoCo, semantic "
        "segmentation; head fcn, steps 90000, architecture resnet50): "
        "supervised 74.6, MoCo v1 75.3",
        "published, not ours: segmentation, cityscapes, mIoU (PaddleSeg; head deeplab, "
        "output_stride 8, steps 80000, architecture resnet50): supervised 79.9",
    ]
    assert published_lines([]) == []


def test_lines_tell_what_differs_between_the_rows_of_a_source():
    lines = published_lines([ours("few_shot", "mini_imagenet", "5-way 1-shot centroid", 600)])
    (line,) = lines
    assert "MoCo v2 52.03 (classifier prototypes), exemplar v2 59.02" in line
    assert line.endswith("supervised 63.89 (classifier cosine classifier)")
    (readme,) = (
        line
        for line in published_lines([ours("detection", "voc07_test", "VOC07 AP", 4952)])
        if "README" in line
    )
    assert "MoCo v2 57.0 (epochs 200), MoCo v2 57.4 (epochs 800)" in readme


def test_lines_of_a_set_by_its_name_are_of_what_it_trains_on():
    small, large = (
        published_lines([ours("detection", name, "VOC07 AP", 4952)])
        for name in ("voc07", "voc0712")
    )
    assert len(small) == 2
    assert all("train voc07_trainval" in line and ", voc07," in line for line in small)
    assert all("train voc0712_trainval" in line for line in large)
    assert published_lines([ours("detection", "coco", "mask AP", 5000)])


def test_no_lines_of_what_is_not_the_same_or_not_sure():
    assert published_lines([ours("moco_linear", "imagenet", "top-1", 120)]) == []
    assert published_lines([ours("detection", "my_set", "VOC07 AP", 4952)]) == []
    assert published_lines([ours("segmentation", "cityscapes", "mIoU", 500, unit="")]) == []
    told = " ".join(published_lines([ours("moco_linear", "imagenet", "top-1", 50000)]))
    assert "flip alone" not in told
