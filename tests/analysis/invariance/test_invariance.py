import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from instdisc import Backbone
from instdisc.analysis.invariance import (
    INVARIANCE,
    TRANSFORMS,
    Transform,
    evaluate_invariance,
    intra_category_invariance,
    invariance,
    invariance_figure,
    transform_images,
    whole_view,
)
from instdisc.analysis.invariance.passes import StageCosines
from instdisc.analysis.invariance.quotients import stage_quotients
from instdisc.data import Scenes
from instdisc.transfer import extract_stages, read_predictions

STRENGTHS = {"translation": [0.125, 0.5], "noise": [0.1]}


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


@pytest.fixture(scope="module")
def scenes():
    return Scenes(24, image_size=32, num_categories=3)


@pytest.fixture(scope="module")
def evaluated(backbone, scenes, tmp_path_factory):
    file = tmp_path_factory.mktemp("invariance") / "invariance.npz"
    weights = {name: value.clone() for name, value in backbone.state_dict().items()}
    told = []
    records = evaluate_invariance(
        backbone,
        scenes,
        transforms=["translation", "noise"],
        strengths=STRENGTHS,
        image_size=32,
        batch_size=10,
        arrays=file,
        progress=lambda done, total: told.append((done, total)),
    )
    after = backbone.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in weights.items())
    assert told[-1] == (24 * 4, 24 * 4)
    assert told == sorted(told)
    return records, read_predictions(file)


def test_values_are_those_of_the_pure_functions(evaluated, backbone, scenes):
    _, arrays = evaluated
    policy = whole_view(backbone, 32)
    plain = extract_stages(backbone, scenes, policy=policy)
    images = torch.stack([scenes.read(index) for index in range(24)]).float() / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (policy.mean, policy.std))
    for name, strengths in STRENGTHS.items():
        assert arrays[f"{name}_strengths"].tolist() == [0, *strengths]
        for place, strength in enumerate(strengths, start=1):
            changed = transform_images(images, name, strength)
            with torch.no_grad():
                maps = backbone.eval().maps((changed - mean) / std)
            for stage, (features, stage_map) in enumerate(zip(plain, maps, strict=True)):
                expected = invariance(features.features, stage_map.mean((2, 3)))
                assert arrays[name][stage, place] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for stage, features in enumerate(plain):
        expected = intra_category_invariance(features, scenes.labels)
        assert arrays["intra_category"][stage] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_strength_zero_is_exactly_one(evaluated):
    _, arrays = evaluated
    for name in STRENGTHS:
        assert arrays[name][:, 0].tolist() == [1.0] * 4


def test_records(evaluated):
    records, arrays = evaluated
    assert [r.task for r in records[::3]] == [f"stage{k}_invariance" for k in (1, 2, 3, 4)]
    metrics = ["invariance to translation", "invariance to noise", "intra-category invariance"]
    assert [record.metric for record in records[:3]] == metrics
    assert [record.higher_is_better for record in records[:3]] == [True, True, False]
    for stage in range(4):
        translation, noise, of_class = records[3 * stage : 3 * stage + 3]
        # The mean over the strengths, 0 left out.
        mean = arrays["translation"][stage, 1:].mean()
        assert translation.value == pytest.approx(mean)
        assert translation.settings["curve"] == pytest.approx(
            arrays["translation"][stage, 1:].tolist()
        )
        assert noise.value == pytest.approx(arrays["noise"][stage, 1])
        assert of_class.value == pytest.approx(arrays["intra_category"][stage])
        for record in (translation, noise, of_class):
            assert record.low < record.value < record.high
            assert record.n == record.settings["images"] == 24
            assert record.settings["base"] == pytest.approx(arrays["base"][stage])
            assert record.unit == ""
            assert not record.view["keep_aspect"]


def test_the_batch_does_not_matter(evaluated, backbone, scenes):
    again = evaluate_invariance(
        backbone,
        scenes,
        transforms=["translation", "noise"],
        strengths=STRENGTHS,
        image_size=32,
        batch_size=24,
    )
    values = [record.value for record in evaluated[0]]
    assert [record.value for record in again] == pytest.approx(values, rel=1e-5)


def test_fewer_images_are_drawn_by_the_seed(backbone, scenes):
    options = {"transforms": ["grey"], "num_images": 8, "image_size": 32}
    first, again, other = (
        evaluate_invariance(backbone, scenes, seed=seed, **options)[0] for seed in (0, 0, 1)
    )
    assert first.n == 8
    assert first.value == again.value
    assert first.low == again.low
    assert first.value != other.value


def test_a_network_that_looks_at_the_mean_alone_is_invariant_to_mirrors(scenes, monkeypatch):
    class MeanBackbone(Backbone):
        def maps(self, images):
            grey = images.mean((1, 2, 3), keepdim=True)
            one = torch.ones_like(grey)
            return [torch.cat([grey, one], 1).expand(-1, -1, 2, 2)] * len(self.strides)

    mirror = Transform(lambda batch, strength, positions: batch.flip(3), (1.0,), "turns")
    monkeypatch.setitem(TRANSFORMS, "mirror", mirror)
    record, *_ = evaluate_invariance(
        MeanBackbone("test_resnet"), scenes, transforms=["mirror"], image_size=32
    )
    assert record.value == pytest.approx(1, abs=1e-6)


def test_without_classes_the_invariance_within_a_class_is_left_out_and_said(
    backbone, tmp_path, caplog
):
    scenes = Scenes(8, image_size=32)
    scenes.labels = torch.full((8,), -1)
    # Not the labels that a scene is drawn from: only those that are told.
    scenes._lay_out = Scenes(8, image_size=32)._lay_out
    file = tmp_path / "a.npz"
    options = {"transforms": ["grey"], "image_size": 32, "arrays": file}
    records = evaluate_invariance(backbone, scenes, **options)
    assert {record.metric for record in records} == {"invariance to grey"}
    assert "the invariance within a class is left out" in caplog.text
    assert "intra_category" not in read_predictions(file)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Of images drawn anew: the bases are means over pairs, which a plain bootstrap gets wrong."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 6, generator=generator).double()

    def draw(count):
        labels = torch.arange(count) % 4
        rows = centres[labels] + 1.5 * torch.randn(count, 6, generator=generator).double() + 0.5
        changed = rows + torch.randn(count, 6, generator=generator).double()
        units, others = (x / x.norm(dim=1, keepdim=True) for x in (rows, changed))
        cosines = (units * others).sum(1)[:, None]
        return stage_quotients("rows", StageCosines(units, {"t": cosines}), labels)

    truth = draw(20_000)
    inside = {"t": 0, "class": 0}
    for seed in range(100):
        sample = draw(60)
        for name, quotient, true in (
            ("t", sample.means["t"], truth.means["t"].value),
            ("class", sample.of_class, truth.of_class.value),
        ):
            low, high = quotient.interval(seed)
            inside[name] += low <= true <= high
    assert 88 <= inside["t"] <= 100
    assert 88 <= inside["class"] <= 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transforms": []}, "`transforms` must be a list of at least one name"),
        ({"transforms": ["twirl"]}, "`transforms` must be one of 'crop'"),
        ({"strengths": {"twirl": [1]}}, "`strengths` must be one of 'crop'"),
        ({"strengths": {"hue": [0.1, 0.1]}}, r"`strengths\['hue'\]` must be numbers above 0 that"),
        ({"strengths": {"hue": [0]}}, r"`strengths\['hue'\]` must be numbers above 0 that grow"),
        ({"strengths": {"hue": []}}, r"`strengths\['hue'\]` must be numbers above 0 that grow"),
        ({"strengths": {"hue": [0.7]}}, r"`strengths\['hue'\]` must be a finite number .*most 0.5"),
        ({"num_images": 3}, "`num_images` must be a whole number of at least 4"),
    ],
)
def test_bad_options_are_refused(backbone, scenes, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate_invariance(backbone, scenes, **options)
    with pytest.raises(ValueError, match=message):
        INVARIANCE.check({**INVARIANCE.options, **options})


def test_few_images_and_collapsed_stages_are_refused(backbone, scenes):
    with pytest.raises(ValueError, match="`test` must be of at least 4 images, got 3"):
        evaluate_invariance(backbone, Scenes(3, image_size=32), image_size=32, transforms=["grey"])

    class OneDirection(Backbone):
        def maps(self, images):
            return [images.mean((1, 2, 3), keepdim=True).exp().expand(-1, 2, 1, 1)] * len(
                self.strides
            )

    with pytest.raises(ValueError, match=r"`features of stage 1` must be different .* collapsed"):
        evaluate_invariance(
            OneDirection("test_resnet"), scenes, image_size=32, transforms=["brightness"]
        )

    class Dead(Backbone):
        def maps(self, images):
            return [torch.zeros(len(images), 2, 1, 1)] * len(self.strides)

    with pytest.raises(ValueError, match=r"`features of stage 1` must be without rows of zeros"):
        evaluate_invariance(Dead("test_resnet"), scenes, image_size=32, transforms=["grey"])


# -- the figure -------------------------------------------------------------------------------


def curves(**changed):
    return {
        "transforms": np.array(["grey", "hue"]),
        "units": np.array(["share of colour lost", "share of circle"]),
        "stages": np.array(["layer1", "layer2"]),
        "grey_strengths": np.array([0, 1.0]),
        "hue_strengths": np.array([0, 0.1, 0.5]),
        "grey": np.array([[1, 0.4], [1, -0.5]]),
        "hue": np.array([[1, 0.9, 0.2], [1, 0.8, 0.3]]),
        "intra_category": np.array([0.1, 0.3]),
        **changed,
    }


def test_figure_has_a_row_for_each_stage_and_a_line_for_each_checkpoint(tmp_path):
    figure = invariance_figure({"random": curves(), "MoCo": curves()})
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 2 * 3
    _, random, moco = figure.axes[1].lines  # the first is at zero
    assert random.get_ydata().tolist() == [1, 0.9, 0.2]
    assert [random.get_label(), moco.get_label()] == ["random", "MoCo"]
    assert [text.get_text() for text in figure.axes[5].texts] == ["0.30", "0.30"]
    figure.savefig(tmp_path / "invariance.png")


def test_figure_without_classes_has_no_such_column():
    plain = curves()
    del plain["intra_category"]
    assert len(invariance_figure({"MoCo": plain}).axes) == 4


def test_figure_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match="`arrays` must be the arrays of at least one checkpoint"):
        invariance_figure({})
    lacking = curves()
    del lacking["units"]
    with pytest.raises(ValueError, match="`arrays` must be with 'units' for every checkpoint"):
        invariance_figure({"MoCo": lacking})
    other = curves(transforms=np.array(["grey"]))
    with pytest.raises(ValueError, match=r"`arrays` must be of \['grey', 'hue'\] and 2 stages"):
        invariance_figure({"MoCo": curves(), "random": other})
