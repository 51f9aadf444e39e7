"""What the sections say of records, where the page of the other tests has no case."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from instdisc.report.grid import make_grid
from instdisc.report.kinds import is_pair
from instdisc.report.material import Material
from instdisc.report.page.beside import published_beside
from instdisc.report.page.cautions import find_cautions
from instdisc.report.page.conduct import describe_machines, describe_skipped, describe_tasks
from instdisc.report.page.grouping import group_results
from instdisc.report.page.networks import describe_networks
from instdisc.runs import RunNote
from instdisc.types import Record

DETECTION = Record(
    *("detection", "voc07", "VOC07 AP", 46.6), n=4952, method="MoCo v1", architecture="resnet50"
)


def cautions(*records, damaged=()):
    return find_cautions(Material(list(records), []), records, damaged)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (DETECTION._replace(n=500), "voc07 (500 instead of 4,952 images)"),
        (
            Record("knn", "eurosat", "top-1", 9.0, n=600, settings={"official_images": 8100}),
            "eurosat (600 instead of 8,100 images)",
        ),
        (
            Record("few_shot", "dtd", "a", 9.0, n=600, settings={"official_images": 1880}),
            "dtd (officially 1,880 images)",
        ),
        (Record("finetune", "pets", "top-1, best epoch", 9.0), "Selected on the test set"),
        (Record("knn", "pets", "top-1", 9.0), "Every result is of one seed"),
        (Record("knn", "pets", "top-1", 9.0), "No hash of the weights is recorded for unnamed"),
        (Record("knn", "pets", "top-1", 9.0, job="a"), "No predictions beside the records of knn"),
    ],
)
def test_cautions(record, words):
    assert any(words in sentence for sentence in cautions(record))


def test_cautions_of_several_records():
    new, old = ({"instdisc": release} for release in ("0.2.0", "0.1.0"))
    record = Record("knn", "pets", "top-1", 9.0, weights="a", versions=new)
    assert "releases of instdisc: 0.1.0, 0.2.0" in " ".join(
        cautions(record, record._replace(versions=old))
    )
    seeds = cautions(record, record._replace(seed=1), record._replace(dataset="cars"))
    assert "1 of 2 results is of one seed" in " ".join(seeds)
    assert "of one seed" not in " ".join(cautions(record, record._replace(seed=1)))
    assert "Damaged predictions, which were not used: b" in " ".join(
        cautions(record, damaged=["b"])
    )


@pytest.mark.parametrize(
    ("value", "settings", "status"),
    [
        (46.6, {}, "agrees"),
        (46.56, {}, "agrees"),  # printed with one decimal
        (40.0, {}, "lower by 6.6"),
        (50.0, {}, "higher by 3.4"),
        (46.6, {"neck": "fpn"}, "not the same settings: neck fpn here, c4 there"),
    ],
)
def test_published_beside_measured(value, settings, status):
    record = DETECTION._replace(value=value, settings={"train": "voc07_trainval", **settings})
    rows = [row for row in published_beside([record]) if row.method == "MoCo v1"]
    assert rows[0].status == status


def test_published_numbers_are_of_the_whole_test_set():
    assert published_beside([DETECTION._replace(n=500)]) == []
    assert published_beside([DETECTION._replace(settings={"official_images": 5000})]) == []


def test_recipe_of_an_export(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file({"w": np.zeros(1)}, path, {"recipe": json.dumps({"queue_size": 4096, "lr": 0.03})})
    named = Record("knn", "pets", "top-1", 9.0, method="A", checkpoint=str(path))
    gone = named._replace(method="B", checkpoint="gone/net.safetensors")
    damaged = tmp_path / "bad.safetensors"
    damaged.write_bytes(b"no header")
    bad = named._replace(method="C", checkpoint=str(damaged))
    networks = describe_networks([named, gone, bad], [named])
    assert [network.recipe for network in networks] == [
        [("lr", "0.03"), ("queue size", "4096")],
        [],
        [],
    ]
    assert [network.files for network in networks][1] == ["gone/net.safetensors"]


def test_of_a_command_that_was_repeated_the_last_call_counts():
    notes = [
        RunNote("1", "a.py", (("knn on pets", "no set"),)),
        RunNote("2", "b.py", (("knn on cars", "no set"),)),
        RunNote("3", "a.py", ()),
    ]
    assert [row.what for row in describe_skipped(notes)] == ["knn on cars"]


def test_seconds_are_of_runs_and_not_of_records():
    one = Record("readout", "pets", "top-1", 9.0, seconds=90.0, job="a", settings={"max_iter": 9})
    two = one._replace(metric="ECE")
    other = one._replace(job="b", settings={"max_iter": 5}, view={"size": 96})
    (task,) = describe_tasks({"readout": [one, two, other]})
    assert (task.runs, task.seconds) == (2, "3 min 0 s")
    assert task.settings == [("max iter", "9; 5"), ("view", "96 px")]
    (machine,) = describe_machines([one, two, other])
    assert (machine.records, machine.seconds) == (3, "3 min 0 s")


def test_pairs_of_networks_stand_apart():
    records = [
        *(Record("knn", "pets", "top-1", 9.0, method=name) for name in ("A", "B", "rock and roll")),
        Record("layer1_similarity", "pets", "CKA", 0.5, method="A and B"),
    ]
    groups = group_results(make_grid(records), [])
    assert groups.networks == ["A", "B", "rock and roll"]
    assert list(groups.families) == ["knn"]
    assert list(groups.pairs) == ["similarity"]
    assert is_pair("rock and roll and A", ["rock and roll", "A"])
