"""Classifiers compared by what they predicted, and the errors of one."""

import io

import numpy as np
import pytest
import torch

from instdisc.analysis.pictures import (
    compare_predictions,
    confident_errors_figure,
    evaluate_errors,
    mistakes_figure,
)
from instdisc.data import Scenes
from instdisc.metrics import wilson_interval
from instdisc.transfer import read_predictions
from instdisc.types import About

TEST = Scenes(40, image_size=32, num_categories=4, split="test")


def make_predictions(seed: int, rows: torch.Tensor | None = None) -> dict[str, np.ndarray]:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.arange(40) if rows is None else rows
    guesses = torch.where(
        torch.rand(40, generator=generator) < 0.6,
        TEST.labels,
        torch.randint(4, (40,), generator=generator),
    )
    sure = torch.rand(40, generator=generator)
    return {
        "image": np.array([str(row) for row in rows.tolist()]),
        "label": TEST.labels[rows].numpy(),
        "prediction": guesses[rows].numpy(),
        "confidence": sure[rows].numpy(),
    }


A = make_predictions(1)
B = make_predictions(2, torch.randperm(40, generator=torch.Generator().manual_seed(0)))


def draw(figure) -> None:
    figure.savefig(io.BytesIO(), format="png", dpi=50)


def test_records_of_predictions(tmp_path):
    file = tmp_path / "arrays.npz"
    third = {**A, "prediction": A["label"]}
    records = compare_predictions(
        {"a": A, "b": B, "c": third}, TEST, num_errors=3, thumbnail=8, arrays=file
    )
    assert [record.metric for record in records] == ["top-1"] * 3 + [
        "top-1 difference",
        "McNemar p",
    ] * 3
    assert [record.method for record in records][3::2] == ["a and b", "a and c", "b and c"]
    right = (A["label"] == A["prediction"]).sum()
    low, high = wilson_interval(int(right), 40)
    assert records[0].value == pytest.approx(100 * right / 40)
    assert (records[0].low, records[0].high) == pytest.approx((100 * low, 100 * high))
    arrays = read_predictions(file)
    assert arrays["thumbnail"].shape == (len(arrays["image"]), 8, 8, 3)
    assert arrays["error"][2].tolist() == [-1, -1, -1]  # the third makes none
    assert arrays["count"][2, 0] == 40 - right
    assert arrays["count"][0, 2] == 0
    assert np.array_equal(arrays["p_value"], arrays["p_value"].T)
    draw(mistakes_figure(arrays))


def test_a_difference_that_is_sure(tmp_path):
    wrong = {**A, "prediction": (A["label"] + 1) % 4}
    right = {**A, "prediction": A["label"]}
    records = compare_predictions({"right": right, "wrong": wrong}, TEST)
    difference, p_value = records[2:]
    assert (difference.value, difference.low, difference.high) == (100, 100, 100)
    assert p_value.value == pytest.approx(2 / 2**40)
    assert not p_value.higher_is_better


def test_errors_of_one_classifier(tmp_path):
    file = tmp_path / "arrays.npz"
    records = evaluate_errors(
        A, TEST, num_errors=5, sure=0.5, arrays=file, about=About("mine"), thumbnail=8
    )
    sure = A["confidence"] >= 0.5
    wrong = A["label"] != A["prediction"]
    assert records[1].value == pytest.approx(100 * wrong[sure].mean())
    assert (records[1].n, records[1].method) == (sure.sum(), "mine")
    arrays = read_predictions(file)
    expected = sorted(np.flatnonzero(wrong), key=lambda row: -A["confidence"][row])[:5]
    assert arrays["image"].tolist() == [str(row) for row in expected]
    draw(confident_errors_figure({"mine": arrays, "also mine": arrays}))
    plain = {**arrays, "thumbnail": arrays["thumbnail"][:, :0, :0]}
    draw(confident_errors_figure({"mine": plain}))


def test_a_classifier_that_is_never_sure_or_never_wrong(tmp_path):
    unsure = {**A, "confidence": A["confidence"] / 10}
    assert [record.metric for record in evaluate_errors(unsure, TEST)] == ["top-1"]
    file = tmp_path / "arrays.npz"
    evaluate_errors({**A, "prediction": A["label"]}, TEST, arrays=file)
    draw(confident_errors_figure({"right": read_predictions(file)}))


def test_images_of_another_set_are_refused():
    foreign = {**A, "image": np.array([f"{name}.png" for name in A["image"]])}
    with pytest.raises(ValueError, match="of images of 'scenes', got '0.png'. 'x' was tested on"):
        compare_predictions({"x": foreign}, TEST)
    with pytest.raises(ValueError, match="of images of 'scenes', got '0.png'"):
        evaluate_errors(foreign, TEST)


def test_predictions_that_do_not_fit_are_refused():
    fewer = {name: column[:-1] for name, column in A.items()}
    with pytest.raises(ValueError, match="of the same images as `predictions_a`, got '39'"):
        compare_predictions({"a": A, "b": fewer}, TEST)
    with pytest.raises(ValueError, match="`predictions` must be of at least one classifier"):
        compare_predictions({}, TEST)
    with pytest.raises(TypeError, match="`predictions` must be a mapping"):
        compare_predictions([A], TEST)
    with pytest.raises(ValueError, match=r"`predictions\['a'\]` must be with the column 'label'"):
        compare_predictions({"a": {"image": A["image"]}}, TEST)
    with pytest.raises(ValueError, match="`num_errors` must be a whole number"):
        compare_predictions({"a": A}, TEST, num_errors=0)
    with pytest.raises(ValueError, match="`sure` must be a finite number"):
        evaluate_errors(A, TEST, sure=1.2)


def test_a_figure_of_no_checkpoint_is_refused():
    with pytest.raises(ValueError, match="the arrays of at least one checkpoint"):
        confident_errors_figure({})
    with pytest.raises(ValueError, match="with 'image' for every checkpoint"):
        confident_errors_figure({"a": {}})
