"""The tuples that cross borders."""

import copy
import json
import pickle
from types import MappingProxyType

import pytest
import torch

from instdisc.types import About, Bank, Record, Views

RECORD = Record(
    *("knn", "scenes", "top-1", 71.5),
    low=70.0,
    high=72.0,
    interval="Wilson, 600 images",
    n=600,
    method="MoCo",
    checkpoint="a.safetensors",
    architecture="resnet50",
    parameters=23_508_032,
    weights="ab12",
    view={"size": 224, "mean": [0.5, 0.5, 0.5]},
    seed=3,
    seconds=0.5,
    settings={"k": 20, "x": [1]},
    versions={"instdisc": "0.2.0", "torch": "2.14.0"},
    date="2026-11-26T10:00:00+00:00",
    device="cpu (x86_64)",
    job="e1b9",
    job_records=2,
)


def test_views_and_banks_are_plain_tuples():
    images, labels, indices = Views([torch.zeros(2, 3, 4, 4)] * 2, torch.zeros(2), torch.arange(2))
    assert len(images) == len(labels) == len(indices) == 2
    features, labels = Bank(torch.eye(3), torch.arange(3))
    assert len(features) == len(labels)


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        RECORD._replace(low=None, high=None, interval="", checkpoint="", settings={}),
        RECORD._replace(higher_is_better=False, unit="rank", view=MappingProxyType({"size": 96})),
        Record("knn", "scenes", "top-1", 71.5),
    ],
)
def test_record_survives_json(record):
    line = record.to_json()
    assert "\n" not in line
    assert json.loads(line) == {"format": 2, **record._asdict()}
    assert Record.from_json(line) == record


@pytest.mark.parametrize("kept", [RECORD, Record("knn", "scenes", "top-1", 1.0), About("MoCo")])
def test_records_and_origins_can_be_copied_and_pickled(kept):
    assert copy.deepcopy(kept) == kept
    assert pickle.loads(pickle.dumps(kept)) == kept


def test_ci_is_half_of_what_lies_between_the_ends():
    assert RECORD.ci == 1.0
    assert RECORD._replace(low=None).ci is None
    assert RECORD._replace(high=None).ci is None


def test_an_origin_is_overridden_by_what_another_says():
    origin = About("MoCo", architecture="resnet18", view={"size": 224})
    assert origin.update(None) == origin
    assert origin.update(About()) == origin
    assert origin.update(About("mine", dataset="pets")) == About(
        "mine", architecture="resnet18", dataset="pets", view={"size": 224}
    )
    assert origin.said == {"method": "MoCo", "architecture": "resnet18", "view": {"size": 224}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1, 2]", r"`line` must be a JSON object with the fields \['task', .* got '\[1, 2\]'"),
        ('{"task": "knn"}', "`line` must be a JSON object with the fields"),
        (RECORD.to_json()[:-1] + ', "extra": 1}', "`line` must be a JSON object with the fields"),
        (RECORD.to_json().replace('"n": 600, ', ""), "`line` must be a JSON object with the"),
        (RECORD.to_json().replace('"format": 2', '"format": 1'), "`line` must be a JSON object"),
        (RECORD.to_json().replace('"format": 2', '"format": 7'), "got form 7. A later release"),
        ("no json", "Expecting value"),
        (RECORD.to_json()[:40], "Unterminated string|Expecting"),
    ],
)
def test_a_line_that_is_no_record(line, message):
    with pytest.raises(ValueError, match=message):
        Record.from_json(line)
