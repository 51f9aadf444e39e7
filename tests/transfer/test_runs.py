"""Keys of runs, histories of modules, and what every training is refused for."""

import json

import pytest
import torch
from torch import nn

from instdisc.data import Scenes
from instdisc.models import Backbone
from instdisc.transfer import job_key, run_key
from instdisc.transfer.history import History
from instdisc.transfer.training import (
    batch_per_process,
    check_losses,
    check_weights,
    pictures_folder,
)
from instdisc.types import About, InputSpec, Record


def test_a_key_is_of_the_parts_and_of_nothing_else():
    parts = {"seed": 0, "settings": {"b": [1, 2], "a": None}, "weights": "0f"}
    key = job_key(parts)
    assert len(key) == 16
    assert set(key) <= set("0123456789abcdef")
    assert job_key(json.loads(json.dumps(parts, sort_keys=True))) == key
    assert job_key({**parts, "seed": 1}) != key
    assert job_key({**parts, "settings": {"b": [2, 1], "a": None}}) != key
    with pytest.raises(ValueError, match="Out of range float|not JSON compliant"):
        job_key({"rate": float("nan")})
    with pytest.raises(TypeError, match="not JSON serializable"):
        job_key({"rate": object()})


def test_the_key_of_a_run_is_of_what_it_depends_on():
    scenes = Scenes(3, image_size=32)
    first = Record("landmarks", "scenes", "NME", 9.0, n=3, weights="a", settings={"rate": 0.1})
    key = run_key([first], scenes, scenes)
    for same in (
        {"value": 8.0, "seconds": 3.0, "date": "2020", "method": "other", "dataset": "there"},
        {"settings": {"rate": 0.1, "per_point": {"nose": 3.0}, "curve": {"share": [1.0]}}},
    ):
        assert run_key([first._replace(**same)], scenes, scenes) == key
    for other in (
        {"weights": "b"},
        {"seed": 1},
        {"settings": {"rate": 0.2}},
        {"view": {"size": 96}},
        {"n": 2},
        {"task": "detection"},
    ):
        assert run_key([first._replace(**other)], scenes, scenes) != key
    assert run_key([first], scenes, Scenes(4, image_size=32)) != key


def test_a_history_goes_through_a_checkpoint(tmp_path):
    backbone = Backbone("test_resnet")
    backbone.input = InputSpec(96, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), "bicubic", 1.0)
    backbone.origin = About("MoCo", "net.pt", "MoCoModule", view={"size": 96})
    history = History(backbone)
    history.training = {"steps": 3, "epochs": None}
    checkpoint = {}
    history.save(checkpoint)
    torch.save(checkpoint, tmp_path / "it.ckpt")
    other = History(Backbone("test_vit"))
    module = type("Loose", (), {"_trainer": None})()
    other.load(module, torch.load(tmp_path / "it.ckpt", weights_only=True))
    assert (other.about, other.seen, other.training) == (
        history.about,
        history.seen,
        history.training,
    )
    before = other.about
    other.load(module, {"state_dict": {}})  # of release 0.1.0
    assert other.about == before


def test_divergence_is_named():
    nan = torch.tensor(float("nan"))
    with pytest.raises(ValueError, match="diverged at iteration 20: box 1, mask nan. Lower it."):
        check_losses({"box": torch.tensor(1.0), "mask": nan}, 20, "Lower it.", torch.ones(2, 3))
    check_losses({"mask": nan}, 21, "Lower it.", torch.ones(2, 3))  # looking makes a GPU wait
    with pytest.raises(ValueError, match=r"`images` of the batch hold NaN or inf.* 2 of 2 images"):
        check_losses({"mask": nan}, 20, "Lower it.", torch.ones(2, 3) * nan)
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    check_weights(net, "")
    net[1].running_var[1] = float("inf")
    with pytest.raises(ValueError, match="weights '1.running_var' are not finite.* Lower it."):
        check_weights(net, "Lower it.")


@pytest.mark.parametrize(
    ("batch", "processes", "images", "own"),
    [(8, 1, None, 8), (8, 4, None, 2), (8, 2, 6, 3), (1, 1, 1, 1)],
)
def test_batches_part(batch, processes, images, own):
    assert batch_per_process(batch, processes, images=images) == own


def test_batches_that_do_not_part():
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of the 4 processes"):
        batch_per_process(6, 4)
    with pytest.raises(ValueError, match="of the 2 processes, got 5"):
        batch_per_process(8, 2, images=5)
    with pytest.raises(TypeError, match="`batch_size` must be a whole number"):
        batch_per_process(2.5, 1)


def test_pictures_go_to_a_folder(tmp_path):
    assert pictures_folder(None) is None
    assert pictures_folder(tmp_path / "run.v2") == tmp_path / "run.v2"
    for name in ("it.png", "it.JPG", "it.pdf"):
        with pytest.raises(ValueError, match="`pictures` must be a folder"):
            pictures_folder(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`pictures` must be a folder"):
        pictures_folder(tmp_path / "file")
