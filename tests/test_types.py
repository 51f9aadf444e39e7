"""The tuples that cross borders."""

import json

import pytest
import torch

from instdisc.types import Bank, Record, Views

RECORD = Record(
    "knn",
    "scenes",
    "top-1",
    71.5,
    70.25,
    72.75,
    "Wilson, 600 images",
    600,
    method="MoCo",
    checkpoint="a.safetensors",
    seed=3,
    seconds=0.5,
    settings={"k": 20, "x": [1]},
)


def test_views_and_banks_are_plain_tuples():
    images, labels, indices = Views([torch.zeros(2, 3, 4, 4)] * 2, torch.zeros(2), torch.arange(2))
    assert len(images) == len(labels) == len(indices) == 2
    features, labels = Bank(torch.eye(3), torch.arange(3))
    assert len(features) == len(labels)


@pytest.mark.parametrize("record", [RECORD, RECORD._replace(low=None, high=None)])
def test_record_survives_json(record):
    line = record.to_json()
    assert "\n" not in line
    assert json.loads(line) == {"format": 2, **record._asdict()}
    assert Record.from_json(line) == record


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1, 2]", r"`line` must be a JSON object with the fields \['task', .* got '\[1, 2\]'"),
        ('{"task": "knn"}', "`line` must be a JSON object with the fields"),
        (RECORD.to_json()[:-1] + ', "extra": 1}', "`line` must be a JSON object with the fields"),
        ("no json", "Expecting value"),
        (RECORD.to_json()[:40], "Unterminated string|Expecting"),
    ],
)
def test_a_line_that_is_no_record(line, message):
    with pytest.raises(ValueError, match=message):
        Record.from_json(line)
