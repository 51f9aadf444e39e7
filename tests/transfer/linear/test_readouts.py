"""kNN and linear readout of toy features whose answer is known, and their records."""

import json
import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from instdisc.records import Run
from instdisc.transfer import Features, evaluate_knn, evaluate_linear, read_predictions
from instdisc.transfer.intervals import share_record
from instdisc.types import About, Record

READOUTS = [evaluate_knn, evaluate_linear]
ABOUT = {"about": About("made up", dataset="toy")}


def clusters(per_class=20, num_classes=4, noise=0.1, seed=0):
    """Points around the axes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_classes).repeat(per_class)
    centres = torch.eye(num_classes, 8)[labels]
    return Features(centres + noise * torch.randn(centres.shape, generator=generator), labels)


@pytest.mark.parametrize("evaluate", READOUTS)
def test_separable_features_are_told_apart(evaluate):
    record = evaluate(clusters(), clusters(seed=1), **ABOUT)
    assert record.value == 100.0
    assert (record.low, record.high) == (pytest.approx(95.42, abs=0.01), pytest.approx(100))


@pytest.mark.parametrize("evaluate", READOUTS)
def test_noise_is_guessed(evaluate):
    train, test = clusters(noise=100.0), clusters(100, noise=100.0, seed=1)
    assert evaluate(train, test, **ABOUT).value == pytest.approx(25, abs=8)


@pytest.mark.parametrize("evaluate", READOUTS)
def test_record_says_what_was_done(evaluate):
    about = {"about": About("made up", "a.safetensors", dataset="toy"), "seed": 7}
    record = evaluate(clusters(), clusters(noise=0.8, seed=1), **about)
    assert record.task == evaluate.__name__.removeprefix("evaluate_")
    assert (record.dataset, record.method) == ("toy", "made up")
    assert (record.checkpoint, record.seed) == ("a.safetensors", 7)
    assert (record.metric, record.unit) == ("top-1", "%")
    share = record.value / 100
    assert 0.3 < share < 1
    assert record.ci == pytest.approx(196 * math.sqrt(share * (1 - share) / 80), rel=0.05)
    assert (record.n, record.interval) == (80, "Wilson, 80 images")
    assert 0 < record.seconds < 60
    assert Record.from_json(record.to_json()) == record
    assert json.loads(record.to_json())["settings"]


def test_settings_of_knn():
    record = evaluate_knn(clusters(), clusters(), k=3, temperature=0.1, **ABOUT)
    assert record.settings == {"k": 3, "temperature": 0.1, "bank": 80}


def test_settings_of_linear():
    record = evaluate_linear(clusters(), clusters(), strength=2.0, max_iter=50, **ABOUT)
    assert record.settings == {"C": 2.0, "max_iter": 50, "train": 80}


@pytest.mark.parametrize("num_classes", [2, 100])
@pytest.mark.parametrize("evaluate", READOUTS)
def test_any_number_of_classes(evaluate, num_classes):
    centres = torch.randn(num_classes, 64)
    train = Features(centres.repeat(3, 1), torch.arange(num_classes).repeat(3))
    assert evaluate(train, train, **ABOUT, **fit(evaluate)).value == 100.0


def fit(evaluate):
    return {"k": 1} if evaluate is evaluate_knn else {"strength": 1.0}


@pytest.mark.parametrize("evaluate", READOUTS)
def test_labels_need_not_begin_at_zero(evaluate):
    train, test = clusters(num_classes=3), clusters(num_classes=3, seed=1)
    shifted = [part._replace(labels=part.labels * 5 + 2) for part in (train, test)]
    assert evaluate(*shifted, **ABOUT).value == 100.0


@pytest.mark.parametrize("evaluate", READOUTS)
def test_images_of_unknown_class_are_left_out(evaluate):
    train, test = clusters(), clusters(noise=0.8, seed=1)
    expected = evaluate(train, test, **ABOUT)
    padded = [
        Features(
            torch.cat([part.features, torch.randn(9, 8)]),
            torch.cat([part.labels, torch.full((9,), -1)]),
        )
        for part in (train, test)
    ]
    found = evaluate(*padded, **ABOUT)
    assert (found.value, found.ci) == (expected.value, expected.ci)


def test_linear_is_logistic_regression_on_standardised_features():
    train, test = clusters(noise=0.6), clusters(noise=0.6, seed=1)
    mean, std = train.features.mean(0), train.features.std(0, unbiased=False)
    model = LogisticRegression(C=0.5, max_iter=500, tol=1e-8)
    model.fit(((train.features - mean) / std).numpy(), train.labels.numpy())
    expected = model.score(((test.features - mean) / std).numpy(), test.labels.numpy())
    record = evaluate_linear(train, test, strength=0.5, **ABOUT)
    assert record.value == pytest.approx(100 * expected, abs=1.3)  # one image


def test_interval_is_wilsons():
    def of(right, count):
        hits = torch.arange(count) < right
        return share_record("x", "top-1", hits, Run(About()))

    assert of(200, 400).ci == pytest.approx(4.88, abs=0.01)
    whole = of(20, 20)
    assert (whole.value, whole.low, whole.high) == (100.0, pytest.approx(83.89, abs=0.01), 100.0)
    nothing = of(0, 20)
    assert (nothing.low, nothing.high) == (0.0, pytest.approx(16.11, abs=0.01))


@pytest.mark.parametrize("evaluate", READOUTS)
def test_one_feature_that_is_not_finite_is_refused_by_name(evaluate):
    for value in (float("nan"), float("inf")):
        bad = clusters()
        bad.features[3, 1] = value
        with pytest.raises(ValueError, match="`train`: the features of image 3 are not finite"):
            evaluate(bad, clusters(), **ABOUT)
        with pytest.raises(ValueError, match="`test`: the features of image 3 are not finite"):
            evaluate(clusters(), bad, **ABOUT)


@pytest.mark.parametrize("evaluate", READOUTS)
def test_predictions_are_kept_by_image(evaluate, tmp_path):
    train, test = clusters(), clusters(noise=0.8, seed=1)
    test = test._replace(
        names=[f"{row}.png" for row in range(80)], labels=torch.where(test.labels == 3, -1, 0)
    )
    record = evaluate(train, test, predictions=tmp_path / "kept" / "x.npz", **ABOUT)
    kept = read_predictions(tmp_path / "kept" / "x.npz")
    assert kept["image"].tolist() == [f"{row}.png" for row in range(80) if row % 4 != 3]
    assert 100 * (kept["label"] == kept["prediction"]).mean() == pytest.approx(record.value)
    assert ((kept["confidence"] > 0.2) & (kept["confidence"] <= 1)).all()
    with pytest.raises(ValueError, match="`predictions` must be a file .npz"):
        evaluate(train, test, predictions=tmp_path / "x.csv", **ABOUT)


def test_the_keywords_of_release_0_1_0_are_told_their_successor():
    with pytest.warns(DeprecationWarning, match="dataset=, method= are found by the task itself"):
        record = evaluate_knn(clusters(), clusters(), dataset="toy", method="old")
    assert (record.dataset, record.method) == ("toy", "old")


def test_features_tell_whose_they_are():
    features = clusters()._replace(about=About("MoCo", dataset="toy", architecture="resnet18"))
    record = evaluate_knn(clusters(), features)
    assert (record.method, record.dataset, record.architecture) == ("MoCo", "toy", "resnet18")
    with pytest.raises(TypeError, match="`about` must be an About or None"):
        evaluate_knn(clusters(), features, about={"method": "x"})


def unlabelled(features):
    return features._replace(labels=torch.full_like(features.labels, -1))


def test_nothing_labelled_is_refused():
    some = clusters()
    with pytest.raises(ValueError, match="`train` must show at least two known classes, got 0"):
        evaluate_knn(unlabelled(some), some, **ABOUT)
    with pytest.raises(ValueError, match="`test` must hold images of known class, got none in 80"):
        evaluate_knn(some, unlabelled(some), **ABOUT)
    with pytest.raises(ValueError, match="`test` must hold images of known class, got none in 80"):
        evaluate_linear(some, unlabelled(some), **ABOUT)


@pytest.mark.parametrize("num_known", [0, 1])
def test_linear_needs_two_classes(num_known):
    some = clusters()
    labels = torch.where(some.labels < num_known, some.labels, -1)
    with pytest.raises(ValueError, match=f"at least two known classes, got {num_known}"):
        evaluate_linear(some._replace(labels=labels), some, **ABOUT)


@pytest.mark.parametrize("options", [{"k": 0}, {"temperature": -1.0}])
def test_bad_settings_of_knn(options):
    with pytest.raises(ValueError, match="must be a (whole|finite) number (of at least 1|above 0)"):
        evaluate_knn(clusters(), clusters(), **options, **ABOUT)
