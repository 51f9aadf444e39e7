"""The tasks: records and arrays of every stage, figures, and what is refused or left out."""

import logging

import numpy as np
import pytest
import torch

from instdisc.analysis.geometry import (
    alignment,
    class_separation,
    evaluate_geometry,
    evaluate_transferability,
    geometry_figure,
    h_score,
    intra_class_spread,
    logme,
    rankme,
    silhouette,
    spectrum,
    spectrum_figure,
    uniformity,
    variability_collapse,
)
from instdisc.analysis.geometry.task import GEOMETRY, TRANSFERABILITY
from instdisc.analysis.geometry.views import extract_views
from instdisc.data import ImageSubset, Scenes, left_out
from instdisc.models import Backbone
from instdisc.transfer import extract_features, extract_stages, read_predictions
from instdisc.types import About


class Unlabelled(ImageSubset):
    """Images of unknown class."""

    def __init__(self, images):
        super().__init__(images, torch.arange(len(images)))
        self.labels = torch.full((len(images),), -1)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet").eval()


@pytest.fixture(scope="module")
def images():
    return Scenes(60, image_size=32, num_categories=3)


@pytest.fixture(scope="module")
def run(backbone, images, tmp_path_factory):
    file = tmp_path_factory.mktemp("geometry") / "random.npz"
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    records = evaluate_geometry(
        backbone, images, image_size=32, arrays=file, about=About("random"), batch_size=13
    )
    after = backbone.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    return records, read_predictions(file)


def test_records_say_what_the_functions_say(run, backbone, images):
    records, _ = run
    stages = extract_stages(backbone, images, image_size=32)
    views = extract_views(
        backbone, images, policy="moco_v2", num_views=2, image_size=32, stages=True
    )
    values = {(record.task, record.metric): record.value for record in records}
    for stage in range(4):
        features, (a, b) = stages[stage], views[stage].unbind(1)
        expected = {
            "class separation": class_separation(features).value,
            "variability collapse": variability_collapse(features),
            "intra-class spread": intra_class_spread(features).value,
            "silhouette": silhouette(features),
            "alignment": alignment(a, b),
            "uniformity": uniformity(features).value,
            "RankMe": rankme(features),
        }
        for metric, value in expected.items():
            assert values[f"stage{stage + 1}_geometry", metric] == pytest.approx(value, rel=1e-6)


def test_records_say_how(run):
    records, _ = run
    assert {record.task for record in records} == {f"stage{k}_geometry" for k in (1, 2, 3, 4)}
    told = {record.metric: record for record in records if record.task == "stage4_geometry"}
    assert {record.method for record in records} == {"random"}
    assert {record.dataset for record in records} == {"scenes"}
    assert {record.unit for record in records} == {""}
    assert told["RankMe"].low is None
    assert told["RankMe"].higher_is_better
    separation = told["class separation"]
    assert separation.low < separation.value < separation.high
    assert not separation.higher_is_better
    assert separation.interval == "normal, influence of each of 60 images"
    assert (separation.n, separation.settings["classes"]) == (60, 3)
    assert told["alignment"].settings["policy"] == "moco_v2"
    assert told["uniformity"].settings["pairs"] == 60 * 59 // 2
    assert told["alpha"].settings["weights"] == "equal"
    assert told["alpha"].settings["ranks"][0] == 1
    place = {"stage": 4, "stages": 4, "stride": 32, "width": 96, "image_size": 32}
    assert place.items() <= separation.settings.items()
    assert separation.view["size"] == 32


def test_arrays_hold_what_figures_need(run, backbone, images):
    records, arrays = run
    assert arrays["stage"].tolist() == [1, 2, 3, 4]
    separation = [r for r in records if r.metric == "class separation"]
    assert arrays["class_separation"].tolist() == [r.value for r in separation]
    assert arrays["class_separation_low"].tolist() == [r.low for r in separation]
    assert np.isnan(arrays["rankme_low"]).all()
    assert arrays["class"].tolist() == list(images.classes)
    assert arrays["stage2_class_spread"].shape == (3,)
    assert 1 - arrays["stage2_class_within"].mean() < 1
    last = extract_stages(backbone, images, image_size=32)[3]
    expected = spectrum(last).eigenvalues.numpy()
    # Batches of another size round the features in float32 another way.
    np.testing.assert_allclose(arrays["stage4_eigenvalues"][:20], expected[:20], rtol=1e-5)


def test_figures_are_drawn_from_arrays(run, tmp_path):
    _, arrays = run
    both = {"random": arrays, "costs $5 or $6": arrays}
    figure = geometry_figure(both)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["class separation ↓", "variability collapse ↑", "intra-class spread ↑"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == arrays["class_separation"].tolist()
    figure.savefig(tmp_path / "geometry.png", dpi=40)
    figure = spectrum_figure(both)
    assert [axes.get_title() for axes in figure.axes] == [f"stage {k}" for k in (1, 2, 3, 4)]
    assert figure.axes[0].lines[0].get_ydata()[0] == 1


def test_figures_name_what_lacks():
    for draw in (geometry_figure, spectrum_figure):
        with pytest.raises(ValueError, match="`arrays` must be the arrays of at least one"):
            draw({})
        with pytest.raises(ValueError, match="`arrays` must be with 'stage' for every checkpoint"):
            draw({"random": {}})
    with pytest.raises(ValueError, match="`arrays` must be of checkpoints with a common stage"):
        spectrum_figure({"a": {"stage": np.array([1])}, "b": {"stage": np.array([2])}})


def test_the_same_again_and_other_views_by_seed(backbone, images):
    runs = [
        evaluate_geometry(backbone, images, image_size=32, stages=[4], seed=seed, batch_size=size)
        for seed, size in ((0, 256), (0, 256), (1, 256))
    ]
    values = [{record.metric: record.value for record in records} for records in runs]
    assert values[0] == values[1]
    assert values[0]["alignment"] != values[2]["alignment"]
    assert values[0]["RankMe"] == values[2]["RankMe"]


def test_without_classes_the_rest_is_told(backbone, images, caplog, monkeypatch):
    monkeypatch.setattr(left_out, "_said", set())
    with caplog.at_level(logging.WARNING):
        records = evaluate_geometry(backbone, Unlabelled(images), image_size=32, stages=[4])
    metrics = [record.metric for record in records]
    assert metrics[:3] == ["alignment", "uniformity", "RankMe"]
    assert "numbers of classes of 'scenes' are left out: it shows 0 images" in caplog.text


def test_views_of_an_image_differ_and_stay_with_it(backbone, images):
    (views,) = extract_views(backbone, images, policy="zhao_fr", num_views=3, image_size=32)
    (again,) = extract_views(
        backbone, images, policy="zhao_fr", num_views=3, image_size=32, batch_size=7
    )
    torch.testing.assert_close(views, again)
    assert views.shape == (60, 3, 96)
    assert not torch.equal(views[:, 0], views[:, 1])
    # Two views of an image are nearer than views of two images.
    near = alignment(views[:, 0], views[:, 1])
    assert near < alignment(views[:, 0], views[:, 1].roll(1, 0))
    # Without chance every view is the plain one.
    plain = extract_features(backbone, images, image_size=32).features
    assert not torch.allclose(views[:, 0], plain)


def test_transferability(backbone, images, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(left_out, "_said", set())
    file = tmp_path / "t.npz"
    with caplog.at_level(logging.WARNING):
        records = evaluate_transferability(
            backbone, images, image_size=32, num_views=3, lidar_images=20, arrays=file
        )
    told = {record.metric: record for record in records}
    features = extract_features(backbone, images, image_size=32)
    assert told["LogME"].value == pytest.approx(logme(features).value, rel=1e-6)
    shrunk = told["H-score, shrunk covariance"]
    assert shrunk.value == pytest.approx(h_score(features).value, rel=1e-6)
    assert shrunk.settings["divisor"] == "N"
    assert told["LiDAR"].n == 20
    assert told["LiDAR"].settings["views"] == 3
    assert "H-score" not in told  # 60 images, 96 columns
    assert "the plain H-score of 'scenes' is left out: of 60 images and 96 columns" in caplog.text
    assert {record.task for record in records} == {"transferability"}
    arrays = read_predictions(file)
    assert arrays["logme"].mean() == pytest.approx(told["LogME"].value)
    assert arrays["class"].tolist() == list(images.classes)


def test_wrong_input_is_named(backbone, images):
    with pytest.raises(ValueError, match="`stages?` must be .* at most 4, got 5"):
        evaluate_geometry(backbone, images, image_size=32, stages=[5])
    with pytest.raises(ValueError, match="`max_images` must be a whole number of at least 4"):
        evaluate_geometry(backbone, images, image_size=32, max_images=3)
    with pytest.raises(ValueError, match="`policy` must be one of"):
        evaluate_geometry(backbone, images, image_size=32, policy="moco")
    with pytest.raises(ValueError, match="`test` must be of at least 4 images, got 3"):
        evaluate_geometry(backbone, ImageSubset(images, torch.arange(3)), image_size=32, stages=[4])
    with pytest.raises(ValueError, match="`labels` must be of at least two known classes"):
        evaluate_transferability(backbone, Unlabelled(images), image_size=32)
    with pytest.raises(ValueError, match="`num_views` must be a whole number of at least 2"):
        evaluate_transferability(backbone, images, image_size=32, num_views=1)


def test_collapsed_features_are_named(images):
    network = Backbone("test_resnet").eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
    with pytest.raises(ValueError, match="`features of stage 4` must be different in some rows"):
        evaluate_geometry(network, images, image_size=32, stages=[4])


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (GEOMETRY, {"max_images": 0}, "`max_images` must be a whole number"),
        (GEOMETRY, {"stages": [0]}, "`stages` must be a whole number"),
        (GEOMETRY, {"policy": "moco"}, "`policy` must be one of"),
        (TRANSFERABILITY, {"num_views": 0}, "`num_views` must be a whole number"),
        (TRANSFERABILITY, {"lidar_images": -1}, "`lidar_images` must be a whole number"),
    ],
)
def test_a_suite_refuses_wrong_options(task, options, message):
    with pytest.raises(ValueError, match=message):
        task.check({**task.options, **options})
    task.check(task.options)
