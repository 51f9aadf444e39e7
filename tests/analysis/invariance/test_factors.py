import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from instdisc import Backbone
from instdisc.analysis.invariance import (
    FACTORS,
    INVARIANCE,
    LANDMARK_FACTORS,
    OBJECT_FACTORS,
    evaluate_factors,
    factor_probes,
    factors_figure,
    whole_view,
)
from instdisc.analysis.invariance.views import pooled_stages
from instdisc.data import SceneLandmarks, SceneObjects, Scenes
from instdisc.transfer import TASKS, extract_stages, read_predictions, run_suite
from instdisc.types import About

FEW = ["background brightness", "position", "category"]


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


@pytest.fixture(scope="module")
def scenes():
    return (
        Scenes(60, image_size=32, num_categories=3),
        Scenes(30, image_size=32, num_categories=3, split="test"),
    )


@pytest.fixture(scope="module")
def evaluated(backbone, scenes, tmp_path_factory):
    file = tmp_path_factory.mktemp("factors") / "factors.npz"
    weights = {name: value.clone() for name, value in backbone.state_dict().items()}
    records = evaluate_factors(
        backbone, *scenes, image_size=32, factors=FEW, about=About("mine"), arrays=file
    )
    after = backbone.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in weights.items())
    return records, read_predictions(file)


def test_records(evaluated):
    records, _ = evaluated
    assert [record.task for record in records[::3]] == [f"stage{k}_factors" for k in (1, 2, 3, 4)]
    metrics = ["R2 background brightness", "R2 position", "accuracy category"]
    assert [record.metric for record in records[:3]] == metrics
    assert [record.unit for record in records[:3]] == ["", "", "%"]
    for record in records:
        assert record.low <= record.value <= record.high
        assert (record.n, record.method, record.dataset) == (30, "mine", "scenes")
        assert record.higher_is_better
        assert record.view["resize"] == record.view["size"] == 32
        assert not record.view["keep_aspect"]
    assert records[0].interval == "bootstrap over 30 images, 1000 resamples"
    assert records[2].interval == "Wilson, 30 images"
    settings = records[2].settings
    assert settings["train"] == 60
    assert settings["chance"] == pytest.approx(100 / 3)
    assert settings["penalty"] in settings["penalties"]
    assert (settings["stage"], settings["grid"], settings["image_size"]) == (1, 1, 32)


def test_arrays_say_what_the_records_say(evaluated, backbone):
    records, arrays = evaluated
    assert arrays["factors"].tolist() == FEW
    assert arrays["metrics"].tolist() == ["R2", "R2", "accuracy"]
    assert arrays["stages"].tolist() == backbone.stages
    scale = np.array([1, 1, 100])[:, None]
    for name, field in (("scores", "value"), ("low", "low"), ("high", "high")):
        told = np.array([getattr(record, field) for record in records]).reshape(4, 3).T
        np.testing.assert_allclose(scale * arrays[name], told)


def test_values_are_those_of_probes_of_the_stages_of_the_whole_view(evaluated, backbone, scenes):
    records, _ = evaluated
    policy = whole_view(backbone, 32)
    stages = [extract_stages(backbone, side, policy=policy) for side in scenes]
    factors = [{name: side.factors()[name] for name in FEW} for side in scenes]
    probes = factor_probes(stages[0], factors[0], stages[1], factors[1])
    told = np.array([record.value for record in records]).reshape(4, 3).T
    scale = np.array([1, 1, 100])[:, None]
    np.testing.assert_allclose(told, scale * probes.scores, rtol=1e-4)


def test_a_grid_keeps_where_things_are(backbone, scenes):
    policy = whole_view(backbone, 32)
    plain, positions = pooled_stages(backbone, scenes[1], policy)
    cells, _ = pooled_stages(backbone, scenes[1], policy, grid=2)
    assert positions.tolist() == list(range(30))
    for stage, parts, width in zip(plain, cells, backbone.widths, strict=True):
        assert parts.shape == (30, 4 * width)
        if stage is plain[0]:  # whose map divides into four
            mean = parts.view(30, width, 4).mean(2)
            assert torch.allclose(mean, stage, atol=1e-5)
    records = evaluate_factors(
        backbone, *scenes, image_size=32, factors=["position"], grid=2, batch_size=7
    )
    assert records[0].settings["grid"] == 2


def test_the_whole_view_does_not_cut_off_the_border(backbone):
    policy = whole_view(backbone, 96)
    image = torch.zeros(3, 64, 128, dtype=torch.uint8)
    image[:, :4] = image[:, -4:] = image[:, :, :4] = image[:, :, -4:] = 255
    view = policy.cut(image, [], False)
    assert view.shape == (3, 96, 96)
    edges = [view[:, 0], view[:, -1], view[:, :, 0], view[:, :, -1]]
    assert all(int(edge.min()) > 200 for edge in edges)


def test_a_suite_runs_them(backbone, scenes, tmp_path, monkeypatch):
    names = ("factors", "object_factors", "landmark_factors", "invariance")
    tasks = (FACTORS, OBJECT_FACTORS, LANDMARK_FACTORS, INVARIANCE)
    for name, task in zip(names, tasks, strict=True):
        monkeypatch.setitem(TASKS, name, task)
    sets = {
        "pair": scenes,
        "one": Scenes(60, image_size=32, num_categories=3),
        "boxes": tuple(SceneObjects(side) for side in scenes),
        "points": tuple(SceneLandmarks(side) for side in scenes),
    }
    suite = {
        "checkpoints": {"random": backbone},
        "data_sets": sets,
        "tasks": names,
        "options": {
            "factors": {"factors": FEW, "penalties": [0.01, 1]},
            "invariance": {"transforms": ["grey"], "strengths": {"grey": [0.5, 1]}},
        },
        "image_size": 32,
        "results": tmp_path / "results.jsonl",
        "progress": False,
    }
    records = run_suite(**suite)
    assert {missing.what for missing in records.missing} == {
        f"{task} on {name}"
        for name, kind in zip(sets, ("images", "images", "objects", "landmarks"), strict=True)
        for task, entry in zip(names, tasks, strict=True)
        if entry.kind != kind
    }
    kinds = {(record.dataset, record.task.partition("_")[2]) for record in records}
    assert kinds == {
        ("pair", "factors"),
        ("one", "factors"),
        ("pair", "invariance"),
        ("one", "invariance"),
        ("boxes", "object_factors"),
        ("points", "landmark_factors"),
    }
    first = next(record for record in records if record.dataset == "points")
    kept = read_predictions(tmp_path / "predictions" / f"{first.job}.npz")
    assert kept["factors"].tolist() == ["orientation", "size", "position"]
    assert run_suite(**suite) == records  # nothing is computed again


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 0}, "`grid` must be a whole number of at least 1"),
        ({"penalties": []}, "`penalties` must be a list of at least one"),
        ({"factors": []}, "`factors` must be a list of at least one"),
        ({"penalties": [-1.0]}, "`penalties` must be a finite number above 0"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_runs(options, message):
    with pytest.raises(ValueError, match=message):
        FACTORS.check({**FACTORS.options, **options})


def test_bad_input_is_refused(backbone, scenes):
    train, test = scenes
    with pytest.raises(ValueError, match="`factors` must be one of .*Did you mean 'position'?"):
        evaluate_factors(backbone, train, test, factors=["positon"])
    with pytest.raises(ValueError, match="`factors` must be a list of at least one name"):
        evaluate_factors(backbone, train, test, factors=[])
    with pytest.raises(ValueError, match="`test` must be a set with the classes of `train`"):
        evaluate_factors(backbone, train, Scenes(9, image_size=32, num_categories=4))
    with pytest.raises(ValueError, match="`grid` must be a whole number of at least 1"):
        evaluate_factors(backbone, train, test, grid=0)
    with pytest.raises(ValueError, match="`test_factors` must be the factors"):
        evaluate_factors(backbone, train, SceneObjects(test), image_size=32)


def test_broken_weights_are_refused(scenes):
    broken = Backbone("test_resnet")
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match=r"`features of stage 1` must be finite, got nan in image"):
        evaluate_factors(broken, *scenes, image_size=32)


# -- the figure -------------------------------------------------------------------------------


def table(**changed):
    return {
        "factors": np.array(["size", "category"]),
        "metrics": np.array(["R2", "accuracy"]),
        "scores": np.array([[0.2, -0.001], [0.55, 1.0]]),
        "chance": np.array([0, 0.1]),
        "stages": np.array(["layer1", "layer2"]),
        **changed,
    }


def test_figure_says_the_numbers_and_shades_what_is_above_chance():
    figure = factors_figure({"random": table(), "MoCo": table()})
    assert isinstance(figure, Figure)
    first, second, bar = figure.axes
    assert [first.get_title(), second.get_title()] == ["random", "MoCo"]
    assert [text.get_text() for text in first.texts] == [".20", ".00", ".55", "1.00"]
    labels = [label.get_text() for label in first.get_yticklabels()]
    assert labels == ["size", "category (accuracy)"]
    shades = first.images[0].get_array()
    np.testing.assert_allclose(shades, [[0.2, -0.001], [0.5, 1.0]])
    assert "above chance" in bar.get_ylabel()


def test_figure_of_checkpoints_with_other_stages_and_factors(tmp_path):
    other = table(
        factors=np.array(["position", "category"]),
        scores=np.array([[0.2] * 12, [0.5] * 12]),
        stages=np.array([f"blocks.{k}" for k in range(12)]),
    )
    figure = factors_figure({"resnet": table(), "vit": other})
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["size", "category (accuracy)", "position"]
    assert len(figure.axes[1].texts) == 24
    figure.savefig(tmp_path / "factors.png")


def test_figure_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match="`arrays` must be the arrays of at least one checkpoint"):
        factors_figure({})
    lacking = table()
    del lacking["chance"]
    with pytest.raises(ValueError, match="`arrays` must be with 'chance' for every checkpoint"):
        factors_figure({"MoCo": lacking})
