"""Outliers by low confidence: vectors, scikit-learn, and a backbone."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from instdisc.analysis.robustness import (
    evaluate_out_of_distribution,
    outlier_aupr,
    outlier_auroc,
)
from instdisc.data import ImageArray, ImageFolder
from instdisc.transfer import read_predictions


def golden():
    state = np.random.RandomState(81)
    inside, outside = 0.3 + 0.7 * state.random_sample(200), 0.2 + 0.7 * state.random_sample(80)
    return torch.from_numpy(np.concatenate([inside, outside])), torch.arange(280) >= 200


def test_golden_vectors():
    confidences, outliers = golden()
    assert float(outlier_aupr(confidences, outliers)) == pytest.approx(0.5172673514, rel=1e-8)
    assert float(outlier_auroc(confidences, outliers)) == pytest.approx(0.631625, rel=1e-8)
    order = torch.randperm(280)
    assert float(outlier_aupr(confidences[order], outliers[order])) == pytest.approx(0.5172673514)


@pytest.mark.parametrize("levels", [3, 20, 10**6])
def test_scikit_learn_with_ties(levels):
    generator = torch.Generator().manual_seed(levels)
    confidences = torch.randint(levels + 1, (5, 90), generator=generator).double() / levels
    outliers = torch.rand(5, 90, generator=generator) < 0.3
    for row in range(5):
        score = 1 - confidences[row].numpy(), outliers[row].numpy()
        expected = average_precision_score(score[1], score[0]), roc_auc_score(score[1], score[0])
        assert float(outlier_aupr(confidences, outliers)[row]) == pytest.approx(expected[0])
        assert float(outlier_auroc(confidences, outliers)[row]) == pytest.approx(expected[1])


def test_closed_forms():
    outliers = torch.tensor([True, True, False, False, False])
    perfect = torch.tensor([0.1, 0.2, 0.7, 0.8, 0.9])
    assert float(outlier_aupr(perfect, outliers)) == float(outlier_auroc(perfect, outliers)) == 1
    blind = torch.full((5,), 0.5)
    assert float(outlier_aupr(blind, outliers)) == pytest.approx(0.4)  # their share
    assert float(outlier_auroc(blind, outliers)) == 0.5
    assert float(outlier_auroc(1 - perfect, outliers)) == 0


def test_evaluation_restricts_to_the_outliers_classes(backbone, make_colours, save_image, tmp_path):
    names = ["n1", "n2", "n3"]
    train, test = (make_colours(tmp_path / part, names) for part in ("train", "test"))
    for name in names[:2]:
        for number in range(4):
            save_image(tmp_path / "o" / name / f"{number}.JPEG", (40 * number, 99, 99))
    file = tmp_path / "x.npz"
    outside = ImageFolder(tmp_path / "o")
    records = evaluate_out_of_distribution(
        backbone, train, test, outside, image_size=32, arrays=file
    )
    assert [(r.task, r.metric, r.n) for r in records] == [
        ("out_of_distribution", "AUPR", 20),
        ("out_of_distribution", "AUROC", 20),
    ]
    assert records[0].settings["classes"] == 2
    assert records[0].settings["share_of_outliers"] == 0.4
    kept = read_predictions(file)
    assert kept["outlier"].sum() == 8
    assert kept["confidence"].min() >= 0.5  # of two classes
    value = average_precision_score(kept["outlier"], 1 - kept["confidence"])
    assert records[0].value == pytest.approx(100 * value, abs=1e-3)
    # Without names all classes count, and all images.
    pixels = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
    noise = ImageArray(pixels, torch.full((4,), -1), classes=[], name="noise")
    records = evaluate_out_of_distribution(backbone, train, test, noise, image_size=32)
    assert (records[0].n, records[0].settings["classes"]) == (22, 3)


def test_bad_input():
    two = torch.tensor([0.5, 0.6])
    for outliers in (torch.tensor([True, True]), torch.tensor([False, False])):
        with pytest.raises(ValueError, match="`outliers` must be some images and not all"):
            outlier_aupr(two, outliers)
    with pytest.raises(TypeError, match="`outliers` must be of torch.bool"):
        outlier_auroc(two, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="`confidences` must be from 0 to 1"):
        outlier_auroc(2 * two, torch.tensor([True, False]))
