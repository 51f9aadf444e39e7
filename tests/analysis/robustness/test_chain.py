"""Corruptions and reliability through `analyse`: records, figures, nothing made twice."""

import pytest
import torch

from instdisc import Backbone, Scenes
from instdisc.analysis import analyse

CORRUPTIONS = {"corruptions": ["fog"], "severities": [1, 5]}


@pytest.mark.parametrize(
    ("names", "metrics", "options"),
    [
        (["corruptions"], {"error, fog", "mean corruption error"}, {"corruptions": CORRUPTIONS}),
        (["reliability", "confident_errors"], {"RMS calibration error", "top-1"}, {}),
    ],
)
def test_chain(tmp_path, names, metrics, options):
    torch.manual_seed(0)
    backbones = {name: Backbone("test_resnet") for name in ("a", "b")}
    state = torch.get_rng_state()

    def look():
        return analyse(
            backbones, {"scenes": Scenes(40, image_size=32, num_categories=2)}, analyses=names,
            options=options, out=tmp_path, image_size=32, progress=False,
        )  # fmt: skip

    records = look()
    assert not records.missing
    assert metrics <= {record.metric for record in records}
    assert {record.method for record in records} == {"a", "b"}
    assert torch.equal(torch.get_rng_state(), state)
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {f"scenes_{name}.png" for name in names}
    lines = (tmp_path / "results.jsonl").read_bytes()
    assert look() == records
    assert (tmp_path / "results.jsonl").read_bytes() == lines
