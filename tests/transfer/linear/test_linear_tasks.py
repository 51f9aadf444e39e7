"""The linear tasks from images to records."""

import json

import pytest
import torch

from instdisc.data import ImagesInMemory, ImageSubset, Scenes
from instdisc.metrics import calibration_error, fit_temperature
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import (
    Features,
    Recipe,
    evaluate_knn,
    evaluate_linear_grid,
    evaluate_moco_linear,
    evaluate_readout,
    evaluate_stages,
    extract_features,
    extract_stages,
    islam_test_policy,
    read_predictions,
    score_records,
)
from instdisc.types import About

ABOUT = {"about": About("random", "a.safetensors", dataset="scenes"), "seed": 3}
RUN = Run(ABOUT["about"])
GRID = [Recipe(0.5, 16, 0.0), Recipe(1e-9, 32, 0.0), Recipe(1e9, 16, 1.0)]
SMALL = {
    "linear_grid": {"grid": GRID, "tune_epochs": 2, "epochs": 2, "image_size": 32},
    "moco_linear": {"epochs": 2, "batch_size": 32, "image_size": 32},
}
EVALUATE = {"linear_grid": evaluate_linear_grid, "moco_linear": evaluate_moco_linear}


SCORES = {
    "top-1": "%",
    "mean per class": "%",
    "ECE": "%",
    "RMS calibration error": "%",
    "AURRA": "%",
    "Brier score": "",
    "NLL": "nats",
}


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)  # before the one of each test
    return Backbone("test_resnet")


@pytest.fixture(scope="module")
def sets():
    """Bright and dark scenes: a random backbone tells them apart."""
    made = []
    for split in ("train", "test"):
        images = ImagesInMemory(Scenes(80, image_size=32, num_categories=2, split=split))
        rows = images.labels == 1
        images.stack[rows] = images.stack[rows] // 4
        images._images = [image.transpose(0, 1) for image in images.stack]
        made.append(images)
    return made


@pytest.mark.parametrize("name", list(EVALUATE))
def test_records(backbone, sets, name):
    state = {key: value.clone() for key, value in backbone.state_dict().items()}
    records = EVALUATE[name](backbone, *sets, **ABOUT, **SMALL[name])
    scored = [(r.task, r.metric, r.unit) for r in records]
    assert scored[:7] == [(name, metric, unit) for metric, unit in SCORES.items()]
    assert scored[7:] in ([], [(name, "ECE, tempered", "%")])
    top, per_class, error, rms, area, brier, likelihood = records[:7]
    assert 0 <= rms.value < 60
    assert 50 < area.value <= 100
    assert 0 <= brier.value < 1
    assert 0 <= likelihood.value < 3
    lower = ["ECE", "RMS calibration error", "Brier score", "NLL", "ECE, tempered"]
    assert all(r.higher_is_better == (r.metric not in lower) for r in records)
    assert all(r.low <= r.value <= r.high for r in records)
    assert top.value > 80
    assert 0 <= top.ci < 15
    assert per_class.value == pytest.approx(top.value, abs=0.01)  # 40 images of each class
    assert 0 <= error.value < 60
    assert (top.dataset, top.method, top.seed) == ("scenes", "random", 3)
    assert (top.checkpoint, top.architecture) == ("a.safetensors", "test_resnet")
    assert top.n == top.settings["train"] == 80
    json.loads(top.to_json())
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())
    again = EVALUATE[name](backbone, *sets, **ABOUT, **SMALL[name])
    assert [r.value for r in again] == [r.value for r in records]


def test_grid_is_scored_and_the_best_is_taken(backbone, sets):
    top = evaluate_linear_grid(backbone, *sets, **ABOUT, **SMALL["linear_grid"])[0]
    table = top.settings["grid"]
    assert [row["learning_rate"] for row in table] == [0.5, 1e-9, 1e9]
    assert table[0]["validation"] >= table[1]["validation"]
    assert table[2]["validation"] is None  # it diverged
    assert top.settings["learning_rate"] == 0.5
    assert top.settings["milestones"] == [0.5, 0.75]


@pytest.mark.parametrize("milestones", [(0.75, 0.5), (0.5, 0.5), (0, 0.5), (0.5, 1)])
def test_milestones_are_shares_that_increase(milestones, backbone, sets):
    with pytest.raises(ValueError, match="`milestones` are shares of the epochs and must increase"):
        evaluate_linear_grid(backbone, *sets, **ABOUT, milestones=milestones)


def test_one_recipe_is_not_tuned(backbone, sets):
    counts = []
    options = {**SMALL["linear_grid"], "grid": GRID[:1]}
    records = evaluate_linear_grid(
        backbone, *sets, **ABOUT, **options, progress=lambda *n: counts.append(n)
    )
    assert records[0].settings["grid"] == []
    assert counts[-1] == (160, 160)
    tuned = []
    evaluate_linear_grid(
        backbone, *sets, **ABOUT, **SMALL["linear_grid"], progress=lambda *n: tuned.append(n)
    )
    assert tuned[-1] == (160 + 2 * 56, 160 + 2 * 56)


def test_few_labels(backbone, sets):
    options = {**SMALL["linear_grid"], "grid": GRID[:1], "per_class": 5}
    settings = evaluate_linear_grid(backbone, *sets, **ABOUT, **options)[0].settings
    assert (settings["train"], settings["per_class"]) == (10, 5)


def test_test_images_are_squeezed_as_in_the_paper():
    frame = islam_test_policy(224).frame
    assert (frame.size, frame.resize, frame.keep_aspect) == (224, 257, False)
    image = torch.arange(40, dtype=torch.uint8).repeat_interleave(2).expand(3, 30, 80)
    view = frame.cut(image, [])
    box = frame.box(30, 80, [])
    assert box.width / box.height == pytest.approx(80 / 30)
    # The whole width but the border of 1/2 - 224/514 on both sides: 5.1 of 80 columns.
    assert (int(view[0, 0, 0]), int(view[0, 0, -1])) == (2, 37)


def relabelled(images, labels):
    changed = ImageSubset(images, torch.arange(len(images)))
    changed.labels = labels
    return changed


@pytest.mark.parametrize("name", [*EVALUATE, "stages"])
def test_bad_labels(backbone, sets, name):
    evaluate = EVALUATE.get(name, evaluate_stages)
    options = {**ABOUT, **SMALL.get(name, {"image_size": 32})}
    train, test = sets
    ones, unknown = torch.ones(80).long(), torch.full((80,), -1)
    high = train.labels.clone()
    high[7] = 2
    for bad, message in (
        ((relabelled(train, high), test), "`train`: label 2 of image 7 is outside the 2 classes"),
        ((train, relabelled(test, high)), "`test`: label 2 of image 7 is outside the 2 classes"),
        ((relabelled(train, ones), test), r"`train` must show at least two known .* got 1 \("),
        ((train, relabelled(test, unknown)), "`test` must hold images of known class, got none"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(backbone, *bad, **options)


def test_images_of_unknown_class_are_left_out(backbone, sets):
    train, test = sets
    labels = test.labels.clone()
    labels[:10] = -1
    options = {**ABOUT, **SMALL["moco_linear"]}
    padded = evaluate_moco_linear(backbone, train, relabelled(test, labels), **options)
    cut = evaluate_moco_linear(backbone, train, ImageSubset(test, torch.arange(10, 80)), **options)
    assert [r.value for r in padded] == [r.value for r in cut]


def test_broken_weights_are_refused(sets):
    broken = Backbone("test_resnet")
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    for name, evaluate in EVALUATE.items():
        with pytest.raises(ValueError, match="features of image 0 of 'scenes' are not finite"):
            evaluate(broken, *sets, **ABOUT, **SMALL[name])
    with pytest.raises(ValueError, match="the features of image 0 of 'scenes' are not finite"):
        evaluate_stages(broken, *sets, **ABOUT, image_size=32)


def clusters(per_class=30, num_classes=4, noise=0.4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_classes).repeat(per_class)
    centres = torch.eye(num_classes, 8)[labels]
    return Features(centres + noise * torch.randn(centres.shape, generator=generator), labels)


def test_readout_chooses_refits_and_says_so():
    train, test, validation = clusters(), clusters(seed=1), clusters(seed=2)
    records = evaluate_readout(train, test, validation=validation, **ABOUT)
    assert [r.metric for r in records] == [*SCORES, "ECE, tempered"]
    assert records[-1].value < records[2].value
    assert records[-1].settings["temperature"] > 0
    assert "temperature" not in records[0].settings
    assert records[0].value > 80
    settings = records[0].settings
    assert (settings["train"], settings["validation"], len(settings["penalties"])) == (240, 120, 45)
    best = max(settings["penalties"], key=lambda row: (row["validation"], row["penalty"]))
    assert settings["penalty"] == best["penalty"]
    assert all(row["gradient"] <= 1e-6 for row in settings["penalties"])
    json.loads(records[0].to_json())


def test_readout_keeps_a_fifth_for_validation():
    settings = evaluate_readout(clusters(), clusters(seed=1), **ABOUT)[0].settings
    assert (settings["train"], settings["validation"]) == (120, 24)
    assert evaluate_readout(clusters(), clusters(seed=1), **ABOUT)[0].settings == settings


def test_readout_together_and_one_after_another_agree():
    found = [
        evaluate_readout(clusters(), clusters(seed=1), together=together, tol=1e-8, **ABOUT)
        for together in (True, False)
    ]
    assert [r.value for r in found[0]] == pytest.approx([r.value for r in found[1]], abs=1e-3)


def test_readout_of_classes_without_a_training_image():
    train, test = clusters(), clusters(seed=1)
    gap = [part._replace(labels=part.labels * 3 + 1) for part in (train, test)]
    expected = evaluate_readout(train, test, **ABOUT)
    found = evaluate_readout(*gap, **ABOUT)
    assert [r.value for r in found] == pytest.approx([r.value for r in expected])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f._replace(labels=torch.full_like(f.labels, 9)), "`test`: label 9 of image 0"),
        (lambda f: f._replace(labels=torch.full_like(f.labels, -1)), "`test` must hold images of"),
        (lambda f: f._replace(features=f.features / 0), "`test`: the features of image 0 are not"),
    ],
)
def test_readout_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        evaluate_readout(clusters(), change(clusters()), **ABOUT)
    alone = clusters()._replace(labels=torch.zeros(120).long())
    with pytest.raises(ValueError, match="`train` must show at least two known classes, got 1"):
        evaluate_readout(alone, clusters(), **ABOUT)


def test_stages(backbone, sets):
    records = evaluate_stages(backbone, *sets, **ABOUT, image_size=32)
    tasks = [f"stage{s}_{probe}" for s in (1, 2, 3, 4) for probe in ("knn", *["readout"] * 7)]
    assert [r.task for r in records] == tasks
    assert [r.settings["stride"] for r in records[::8]] == backbone.strides
    assert [r.settings["width"] for r in records[::8]] == backbone.widths
    found, asked = (extract_stages(backbone, images, image_size=32) for images in sets)
    assert records[8].value == evaluate_knn(found[1], asked[1], **ABOUT).value
    with pytest.raises(ValueError, match=r"`probes` must be among knn, readout, got \['svm'\]"):
        evaluate_stages(backbone, *sets, **ABOUT, probes=["svm"])


def test_readouts_of_stages_are_those_of_their_features(backbone, sets):
    told = {"penalties": [1e-2, 1.0], "tol": 1e-3, "max_iter": 7, **ABOUT}
    records = evaluate_stages(backbone, *sets, probes=["readout"], image_size=32, **told)
    train, test = (extract_stages(backbone, images, image_size=32) for images in sets)
    last = evaluate_readout(train[-1], test[-1], **told)
    assert [r.value for r in records[-7:]] == [r.value for r in last]
    assert records[-1].settings["penalties"] == last[-1].settings["penalties"]
    assert len(records[-1].settings["penalties"]) == 2
    for wrong in ({"penalties": []}, {"penalties": [0.0]}, {"tol": 0.0}, {"max_iter": 0}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}"):
            evaluate_stages(backbone, *sets, **{**ABOUT, **wrong})


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_stage_features_are_averaged_maps(name, sets):
    backbone = Backbone(name, **({"img_size": 32} if "vit" in name else {}))
    found = extract_stages(backbone, sets[0], image_size=32, batch_size=30)
    assert [f.features.shape for f in found] == [(80, width) for width in backbone.widths]
    assert torch.equal(found[0].labels, sets[0].labels)
    if name == "test_resnet":  # its features are the averaged last map
        pooled = extract_features(backbone, sets[0], image_size=32).features
        torch.testing.assert_close(found[-1].features, pooled, atol=1e-5, rtol=1e-4)


def test_scores_and_intervals():
    labels = torch.arange(400) % 2
    logits = torch.where(torch.rand(400) < 0.75, 3.0, -3.0)[:, None] * torch.eye(2)[labels]
    top, _, error, *_ = score_records("toy", logits, labels, RUN)
    share = float((logits.argmax(1) == labels).float().mean())
    assert top.value == pytest.approx(100 * share)
    assert top.ci == pytest.approx(196 * (share * (1 - share) / 400) ** 0.5, rel=0.15)
    assert error.value == pytest.approx(100 * abs(0.952574 - share), abs=0.01)


def test_a_temperature_is_fitted_on_other_images(tmp_path, caplog):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 4
    logits = 5 * (torch.eye(4)[labels] + torch.randn(400, 4, generator=generator))
    seen, asked = (logits[:200], labels[:200]), (logits[200:], labels[200:])
    file = tmp_path / "x.npz"
    records = score_records("toy", *asked, RUN, predictions=file, validation=seen)
    assert [r.metric for r in records] == [*SCORES, "ECE, tempered"]
    temperature = records[-1].settings["temperature"]
    assert temperature == pytest.approx(fit_temperature(*seen))
    confidences = (asked[0] / temperature).softmax(1).amax(1)
    hits = asked[0].argmax(1) == asked[1]
    assert records[-1].value == pytest.approx(100 * float(calibration_error(confidences, hits)))
    assert records[-1].value < records[2].value
    kept = read_predictions(file)
    assert kept["tempered_confidence"] == pytest.approx(confidences.numpy(), abs=1e-6)
    shares = asked[0].softmax(1)[torch.arange(200), asked[1]]
    assert kept["probability"] == pytest.approx(shares.numpy(), abs=1e-6)
    # All right: no temperature is best. It is said, and the rest stands.
    certain = 3 * torch.eye(4), torch.arange(4)
    assert [r.metric for r in score_records("toy", *asked, RUN, validation=certain)] == [*SCORES]
    assert "no temperature for toy on scenes: `logits` must be wrong for some image" in caplog.text


def test_a_diverged_training_is_no_result():
    logits = torch.full((4, 2), float("nan"))
    with pytest.raises(ValueError, match="those of task 'linear' on 'scenes' are not"):
        score_records("linear", logits, torch.tensor([0, 1, 0, 1]), RUN)
