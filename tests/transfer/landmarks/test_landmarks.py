"""Training of landmark heads: what trains, what is kept, what is reported."""

import json

import pytest
import torch
from torch.utils.data import DataLoader

from instdisc.checkpoint import export_backbone
from instdisc.data import FACE_5, LandmarkData, LandmarkSource, SceneLandmarks, Scenes
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import LandmarkModule, fit_landmarks, landmark_records
from instdisc.transfer.training import quiet_trainer
from instdisc.types import About, LandmarkBatch

CPU = {"accelerator": "cpu"}


class Dots(LandmarkSource):
    """A bright dot on black; the five points lie around it."""

    name, classes, layout = "dots", (), FACE_5

    def __init__(self, count=64, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self._places = torch.randint(10, 22, (count, 2), generator=generator)
        self.labels = torch.full((count,), -1)

    def read(self, index):
        image = torch.zeros(3, 32, 32, dtype=torch.uint8)
        x, y = self._places[index].tolist()
        image[:, y - 4 : y + 4, x - 4 : x + 4] = 255
        return image

    def points(self, index):
        around = torch.tensor([[-4.0, -4], [4, -4], [0, 0], [-4, 4], [4, 4]])
        return torch.cat([around + self._places[index], torch.ones(5, 1)], 1)


def module(**options):
    return LandmarkModule(Backbone("test_resnet"), FACE_5, **{"image_size": 32, **options})


reference = Backbone("test_resnet")


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def test_a_batch_of_one_image_is_refused():
    """By a loader of the user's; `LandmarkData` has none of one image."""
    points, inside = torch.full((1, 5, 2), 16.0), torch.ones(1, 5, dtype=torch.bool)
    box, index = torch.tensor([[0.0, 0, 32, 32]]), torch.tensor([0])
    batch = LandmarkBatch(torch.randn(1, 3, 32, 32), points, inside, inside, box, index)
    data = DataLoader([batch], batch_size=None)
    with (
        quiet_trainer("cpu", 1, "32-true", epochs=1) as trainer,
        pytest.raises(ValueError, match="`batch_size` must be at least 2, since batch norm"),
    ):
        trainer.fit(module(frozen=False), data, data)


@pytest.mark.parametrize(
    "options",
    [
        {"head": "linear", "grid": 1},
        {"head": "mlp", "hidden": 32},
        {"head": "linear", "augment": "weak", "precision": "bf16-mixed"},
        {"head": "linear", "frozen": False, "augment": "weak"},
        {"head": "heatmap", "frozen": False, "epochs": 1},
    ],
    ids=["linear", "mlp", "frozen, random views", "fine-tuned", "heat map"],
)
def test_learns_and_leaves_the_backbone_as_it_was(options):
    net = Backbone("test_resnet").train()
    before = state(net)
    told = []
    options = {"image_size": 32, "batch_size": 16, "epochs": 2, **options}
    first, *_ = fit_landmarks(
        net, Dots(), Dots(16, seed=1), **options, **CPU,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    steps = 4 * options["epochs"]
    assert told == [(done, steps) for done in range(1, steps + 1)]
    assert 0 < first.value < 100
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert net.training
    assert first.settings["train"] == 64
    assert first.n == 16
    assert not first.higher_is_better
    assert (first.metric, first.unit, first.task) == ("NME", "%", "landmarks")
    json.dumps(first.settings, allow_nan=False)


def test_same_seed_same_result_and_nothing_drawn_outside():
    net = Backbone("test_resnet")
    options = {"image_size": 32, "epochs": 1, "batch_size": 16, "augment": "weak", **CPU}
    torch.manual_seed(1)
    one = fit_landmarks(net, Dots(), Dots(8), seed=3, **options)
    after = torch.rand(1)
    torch.manual_seed(2)
    again = fit_landmarks(net, Dots(), Dots(8), seed=3, **options)
    assert [record.value for record in one] == [record.value for record in again]
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


def test_kept_features_give_what_views_give():
    values = []
    for precompute in (True, False):
        torch.manual_seed(0)
        data = LandmarkData(Dots(), Dots(16, seed=1), image_size=32, batch_size=16)
        own = LandmarkModule(reference, FACE_5, image_size=32, grid=2)
        if precompute:
            own.precompute(data, "cpu")
        with quiet_trainer("cpu", 1, "32-true", epochs=2) as trainer:
            trainer.fit(own, datamodule=data)
        values.append(own.result.errors)
    torch.testing.assert_close(*values, rtol=1e-3, atol=1e-4)


def test_frozen_backbone_sees_each_image_once():
    seen = []

    class Counted(Dots):
        def read(self, index):
            seen.append(index)
            return super().read(index)

    fit_landmarks(reference, Counted(32), Dots(4), image_size=32, epochs=4, batch_size=16, **CPU)
    # The first for a look beforehand; all once for the mean shape, once for the features.
    assert sorted(seen) == sorted([0, *range(32), *range(32)])


def test_what_trains():
    frozen, tuned = module(), module(frozen=False)
    assert not any(weight.requires_grad for weight in frozen.backbone.parameters())
    assert all(weight.requires_grad for weight in tuned.backbone.parameters())
    frozen.train()
    assert not frozen.backbone.training
    assert frozen.head.training
    tuned.eval().train()
    assert tuned.backbone.training
    assert tuned.backbone_learning_rate == pytest.approx(1e-4)
    frozen.on_fit_start()
    with torch.no_grad():
        frozen.backbone.net.bn1.running_mean += 1
    with pytest.raises(RuntimeError, match="the frozen 'net.bn1.running_mean' of 'test_resnet'"):
        frozen.on_fit_end()


def test_a_checkpoint_is_a_backbone(tmp_path):
    file = export_backbone(reference, tmp_path / "net.safetensors")
    loaded = LandmarkModule(file, FACE_5, image_size=32)
    for name, tensor in reference.state_dict().items():
        assert torch.equal(loaded.backbone.state_dict()[name], tensor)
    with pytest.raises(ValueError, match="`backbone` must be .* got 'nothing'"):
        LandmarkModule("nothing", FACE_5)


def test_pictures_show_images_of_the_whole_test_set(tmp_path):
    test = SceneLandmarks(Scenes(40, image_size=32))
    data = LandmarkData(test, test, image_size=32, crop="box", batch_size=16)
    own = LandmarkModule(reference, test.layout, image_size=32)
    with quiet_trainer("cpu", 1, "32-true", epochs=1) as trainer:
        trainer.validate(own, datamodule=data, verbose=False)
    assert [one.position for one in own.shown] == list(range(0, 40, 3))
    for one in own.shown:
        truth = test.points(one.position)
        torch.testing.assert_close(one.points, truth[:, :2], rtol=1e-4, atol=1e-3)
    records = fit_landmarks(
        reference, test, test, image_size=32, epochs=1, pictures=tmp_path / "shown", **CPU
    )
    assert {file.name for file in (tmp_path / "shown").iterdir()} == {"landmarks.png", "curve.png"}
    hidden = test.all_points()[..., 2] == 0
    left_out = hidden[:, [3, 4]].any(1)  # one of the ends that errors are measured by
    assert records[0].settings["faces_left_out"] == left_out.sum() > 0
    assert records[0].settings["points_not_counted"] == (hidden | left_out[:, None]).sum()
    assert records[0].n == 40 - left_out.sum()


def test_records_of_a_hand_made_error():
    errors = torch.full((4, 5), 0.05, dtype=torch.float64)
    errors[1] = 0.09
    errors[2, 0], errors[3] = torch.nan, torch.nan
    run = Run(About("none", dataset="toy"))
    records = landmark_records(errors, FACE_5, run)
    values = {record.metric: record.value for record in records}
    assert values["NME"] == pytest.approx((5 + 9 + 5) / 3)
    assert values["failures above 8 %"] == pytest.approx(100 / 3)
    assert values["failures above 10 %"] == 0
    assert values["AUC to 10 %"] == pytest.approx((50 + 10 + 50) / 3)
    settings = records[0].settings
    assert {record.n for record in records} == {3}
    better = {record.metric for record in records if record.higher_is_better}
    assert better == {"AUC to 10 %"}
    assert settings["points_not_counted"] == 6
    assert settings["faces_left_out"] == 1
    assert settings["normalised_by"] == "left eye to right eye"
    assert settings["per_point"]["left eye"] == pytest.approx(7)
    assert settings["per_point"]["nose"] == pytest.approx(19 / 3)
    curve = dict(zip(*settings["curve"].values(), strict=True))
    assert curve[4.5] == 0
    assert curve[5.5] == pytest.approx(200 / 3)
    assert curve[15.0] == 100
    with pytest.raises(ValueError, match="not one point of the test images of 'toy'"):
        landmark_records(errors * torch.nan, FACE_5, run)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "tree"}, "`head` must be one of 'linear', 'mlp', 'heatmap', got 'tree'"),
        ({"grid": 0}, "`grid` must be a whole number of at least 1, got 0"),
        (
            {"grid": 2, "head": "heatmap"},
            "at most 1, got 2. A heat map keeps every cell",
        ),
        ({"backbone_learning_rate": 0.1}, "must be None while `frozen` is set, got 0.1"),
        ({"learning_rate": 0.0}, "`learning_rate` must be a finite number above 0, got 0.0"),
        ({"weight_decay": -1.0}, "`weight_decay` must be a finite number of at least 0, got -1.0"),
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1, got 0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        fit_landmarks(reference, Dots(8), Dots(8), image_size=32, **options, **CPU)


def test_features_are_kept_only_where_they_stay():
    still = LandmarkData(Dots(), Dots(), image_size=32)
    moving = LandmarkData(Dots(), Dots(), image_size=32, augment="weak")
    assert module().can_precompute(still)
    for own, data in (
        (module(), moving),
        (module(frozen=False), still),
        (module(head="heatmap"), still),
    ):
        assert not own.can_precompute(data)
        with pytest.raises(ValueError, match="features can be kept only of a `frozen` backbone"):
            own.precompute(data, "cpu")


class Again(LandmarkSource):
    """Two images in turn: a batch of two alone would hardly tell batch norm their variance."""

    name, classes = "two", ()

    def __init__(self, count):
        self._two = SceneLandmarks(Scenes(2, image_size=64))
        self.layout, self.labels = self._two.layout, torch.full((count,), -1)

    def read(self, index):
        return self._two.read(index % 2)

    def points(self, index):
        return self._two.points(index % 2)


@pytest.mark.slow
@pytest.mark.parametrize(("head", "rate"), [("linear", 3e-3), ("heatmap", 1e-3)])
def test_overfits_two_images(head, rate):
    torch.manual_seed(0)
    records = fit_landmarks(
        Backbone("test_resnet"), Again(8), Again(2), image_size=64, head=head, frozen=False,
        epochs=80 if head == "linear" else 50, learning_rate=3e-3, backbone_learning_rate=rate,
        weight_decay=0.0, batch_size=8, **CPU,
    )  # fmt: skip
    assert records[0].value < 3
