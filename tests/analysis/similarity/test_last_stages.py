"""Fine-tuning the last stages: a point for each k, and what moved."""

import numpy as np
import pytest
import torch

from instdisc.analysis.similarity import evaluate_last_stages, last_stages_figure
from instdisc.analysis.similarity.task import LAST_STAGES
from instdisc.data import Scenes
from instdisc.models import Backbone
from instdisc.transfer import Recipe, finetune, read_predictions

TRAIN, TEST = (
    Scenes(24, image_size=32, num_categories=2),
    Scenes(20, image_size=32, num_categories=2),
)
SHORT = {"image_size": 32, "grid": [Recipe(0.3, 8, 0.0)], "epochs": 2}


def test_a_point_for_each_and_what_moved(tmp_path):
    backbone = Backbone("test_resnet")
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    file, told = tmp_path / "stages.npz", []
    records = evaluate_last_stages(
        backbone, TRAIN, TEST, last_stages=[4, 0, 2], arrays=file,
        progress=lambda done, total: told.append((done, total)), **SHORT,
    )  # fmt: skip
    assert told == [(step, 6) for step in range(1, 7)]
    assert all(torch.equal(v, before[name]) for name, v in backbone.state_dict().items())
    stored = read_predictions(file)
    assert stored["last_stages"].tolist() == [0, 2, 4]
    # What does not train stays: its CKA is 1, exactly. What trains at such a rate moves.
    assert stored["cka"].shape == (3, 4)
    for row, count in enumerate((0, 2, 4)):
        np.testing.assert_allclose(stored["cka"][row, : 4 - count], 1, atol=1e-12)
        assert (stored["cka"][row, 4 - count :] < 0.9999).all()
    moved = {r.task: r for r in records if r.metric == "CKA"}
    assert len(moved) == 12
    record = moved["last2_layer4_moved"]
    assert record.value == stored["cka"][1, 3]
    assert record.low < record.value < record.high
    assert record.settings["last_stages"] == 2
    top = {r.task: r for r in records if r.metric == "top-1"}
    assert [top[f"last{k}_finetune"].value for k in (0, 2, 4)] == stored["top1"].tolist()
    assert "top-1, best epoch" not in {r.metric for r in records}
    figure = last_stages_figure({"net": stored, "again": stored})
    figure.savefig(tmp_path / "stages.png")
    assert len(figure.axes) == 3


def test_finetune_gives_the_trained_backbone():
    backbone = Backbone("test_resnet")
    records = finetune(backbone, TRAIN, TEST, accelerator="cpu", last_stages=1, **SHORT)
    tuned = records.backbone
    assert not tuned.training
    assert torch.equal(tuned.net.bn1.weight, backbone.net.bn1.weight)
    assert not torch.equal(tuned.net.layer4[0].conv1.weight, backbone.net.layer4[0].conv1.weight)
    # It is what was tested: its statistics are those after the last epoch.
    assert tuned.net.layer4[0].bn1.num_batches_tracked == 2 * 3


def test_as_a_task():
    LAST_STAGES.check(LAST_STAGES.options)
    with pytest.raises(ValueError, match="`last_stages` must be a whole number of at least 0"):
        LAST_STAGES.check({**LAST_STAGES.options, "last_stages": [-1]})
    with pytest.raises(ValueError, match="`learning_rate` must be a finite number above 0"):
        LAST_STAGES.check({**LAST_STAGES.options, "grid": [Recipe(0.0, 8, 0.0)]})


def test_refusals():
    backbone = Backbone("test_resnet")
    with pytest.raises(ValueError, match="at most 4, got 5. 'test_resnet' has 4 stages"):
        evaluate_last_stages(backbone, TRAIN, TEST, last_stages=[5])
    with pytest.raises(ValueError, match="`last_stages` must be at least one number, each once"):
        evaluate_last_stages(backbone, TRAIN, TEST, last_stages=[1, 1])
    with pytest.raises(TypeError, match="`last_stages` must be a sequence of whole numbers"):
        evaluate_last_stages(backbone, TRAIN, TEST, last_stages=2)
    with pytest.raises(ValueError, match="`arrays` must be the arrays of at least one checkpoint"):
        last_stages_figure({})
    with pytest.raises(ValueError, match="`arrays` must be with 'stage' for every checkpoint"):
        last_stages_figure({"net": {"last_stages": np.arange(2)}})
