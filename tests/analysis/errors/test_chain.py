"""Detection errors through `analyse`: the detector is trained first, once."""

import torch

from instdisc import Backbone, Scenes
from instdisc.analysis import analyse
from instdisc.data import SceneObjects

DETECTION = {
    "recipe": {"iterations": 1, "batch_size": 2, "learning_rate": 0.005, "milestones": []},
    "short_sides": [32], "regions_per_image": 8, "precise_batches": 1, "norm": "plain",
    "masks": False,
}  # fmt: skip


def test_chain(tmp_path):
    torch.manual_seed(0)
    backbone = Backbone("test_resnet")

    def look():
        return analyse(
            {"a": backbone}, {"scenes": SceneObjects(Scenes(12, image_size=32))},
            analyses=["detection_errors"], out=tmp_path, progress=False,
            options={"detection": DETECTION, "detection_errors": {"num_resamples": 20}},
        )  # fmt: skip

    records = look()
    assert not records.missing
    assert {record.task for record in records} == {"tide", "hoiem"}
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {f"scenes_{name}.png" for name in ("tide", "hoiem", "detection_errors")}
    lines = (tmp_path / "results.jsonl").read_bytes()
    assert look() == records
    assert (tmp_path / "results.jsonl").read_bytes() == lines
