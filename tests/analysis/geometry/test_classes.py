"""Class separation, spread, collapse, silhouette: golden numbers, naive loops, closed forms."""

import pytest
import torch

from instdisc.analysis.geometry import (
    class_separation,
    intra_class_spread,
    silhouette,
    variability_collapse,
)
from instdisc.transfer import Features

NUMBERS = {
    "class_separation": class_separation,
    "intra_class_spread": intra_class_spread,
    "variability_collapse": variability_collapse,
    "silhouette": silhouette,
}


def clouds(counts=(5, 9, 4), width=6, seed=0, dtype=torch.float64):
    """Classes of several sizes around random means."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    means = torch.randn(len(counts), width, generator=generator, dtype=dtype)
    noise = torch.randn(len(labels), width, generator=generator, dtype=dtype)
    return means[labels] + noise, labels


def test_golden(classes_case, made, close):
    x, y = made(classes_case)["X"], made(classes_case)["y"]
    separation = class_separation(x, y)
    assert separation.value == close(classes_case["separation"])
    assert separation.within == close(classes_case["within"])
    assert separation.total == close(classes_case["total"])
    # Eight digits: what was subtracted from 1 to get them.
    if "per_class_within_with_self" in classes_case:
        expected = pytest.approx(classes_case["per_class_within_with_self"], abs=3e-8)
        assert separation.class_within.tolist() == expected
    assert intra_class_spread(x, y).value == close(classes_case["spread"])
    assert variability_collapse(x, y) == close(classes_case["nc1"])
    assert silhouette(x, y) == close(classes_case["silhouette_cosine"])
    assert silhouette(x, y, metric="euclidean") == close(classes_case["silhouette_euclidean"])


def test_separation_is_that_of_all_pairs():
    x, y = clouds()
    near = [row / row.norm() for row in x]
    between = {}
    for j in range(3):
        for k in range(3):
            pairs = [
                1 - float(near[a] @ near[b])
                for a in range(len(y))
                for b in range(len(y))
                if y[a] == j and y[b] == k
            ]
            between[j, k] = sum(pairs) / len(pairs)
    within = sum(between[k, k] for k in range(3)) / 3
    total = sum(between.values()) / 9
    separation = class_separation(x, y)
    assert separation.within == pytest.approx(within)
    assert separation.total == pytest.approx(total)
    assert separation.value == pytest.approx(1 - within / total)


def test_spread_is_the_mean_distance_from_the_mean_direction():
    x, y = clouds()
    spreads = []
    for k in range(3):
        units = torch.nn.functional.normalize(x[y == k])
        direction = torch.nn.functional.normalize(units.mean(0), dim=0)
        spreads.append(sum(1 - float(unit @ direction) for unit in units) / len(units))
    spread = intra_class_spread(x, y)
    assert spread.class_spread.tolist() == pytest.approx(spreads)
    assert spread.value == pytest.approx(sum(spreads) / 3)


def test_collapse_is_the_trace_with_the_pseudo_inverse():
    x, y = clouds()
    means = torch.stack([x[y == k].mean(0) for k in range(3)])
    within = sum(torch.outer(row - means[k], row - means[k]) for row, k in zip(x, y, strict=True))
    apart = means - means.mean(0)
    between = sum(torch.outer(row, row) for row in apart) / 3
    inverse = torch.linalg.pinv(between, rtol=1e-10, hermitian=True)
    assert variability_collapse(x, y) == pytest.approx(float(torch.trace(within @ inverse)) / 54)


def test_classes_of_one_point_each_are_wholly_apart():
    x = torch.eye(3).repeat_interleave(4, 0)
    y = torch.arange(3).repeat_interleave(4)
    assert class_separation(x, y).value == pytest.approx(1.0)
    assert class_separation(x, y).total == pytest.approx(2 / 3)
    assert intra_class_spread(x, y).value == pytest.approx(0.0)
    assert variability_collapse(x, y) == pytest.approx(0.0, abs=1e-12)
    assert silhouette(x, y) == pytest.approx(1.0)


def test_classes_that_do_not_differ_are_not_apart():
    x = torch.eye(4).repeat(3, 1)
    y = torch.arange(3).repeat_interleave(4)
    assert class_separation(x, y).value == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="`features` must be of classes with different means"):
        variability_collapse(x, y)


def test_directions_do_not_depend_on_scale_and_rotation():
    x, y = clouds()
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    lengths = torch.rand(len(x), 1, dtype=torch.float64) + 0.1
    for number in (class_separation, intra_class_spread):
        assert number(lengths * (x @ turn), y).value == pytest.approx(number(x, y).value)
    moved = 3 * (x @ turn) + 1
    assert variability_collapse(moved, y) == pytest.approx(variability_collapse(x, y))


def test_tiny_features_have_directions_too():
    x, y = clouds()
    assert class_separation(1e-200 * x, y).value == pytest.approx(class_separation(x, y).value)


def test_single_precision_is_computed_in_double():
    x, y = clouds()
    assert class_separation(x.float(), y).value == pytest.approx(
        class_separation(x, y).value, rel=1e-6
    )


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_unknown_classes_are_left_out_and_labels_need_no_order(number):
    x, y = clouds()
    expected = number(x, y)
    expected = getattr(expected, "value", expected)
    some = torch.cat([torch.full((1, 6), 9.0), x])
    labels = torch.cat([torch.tensor([-1]), torch.tensor([7, 2, 40])[y]])
    both = number(some, labels), number(Features(some, labels))
    assert [getattr(b, "value", b) for b in both] == pytest.approx([expected, expected])


@pytest.mark.parametrize("number", [class_separation, intra_class_spread])
def test_error_is_that_of_leaving_one_image_out(number):
    x, y = clouds((60, 90, 70))
    whole = number(x, y)
    squares = 0.0
    for k in range(3):
        rows = (y == k).nonzero()[:, 0]
        left = []
        for row in rows.tolist():
            rest = torch.arange(len(y)) != row
            left.append(number(x[rest], y[rest]).value)
        left = torch.tensor(left)
        squares += float(((left - left.mean()) ** 2).sum()) * (len(rows) - 1) / len(rows)
    assert whole.error == pytest.approx(squares**0.5, rel=0.05)


def test_silhouette_of_drawn_images_is_near_that_of_all():
    x, y = clouds((60, 90, 70))
    whole, drawn = silhouette(x, y, max_images=None), silhouette(x, y, max_images=150)
    assert whole != drawn
    assert drawn == pytest.approx(whole, abs=0.05)
    assert silhouette(x, y, max_images=150) == drawn
    assert silhouette(x, y, max_images=150, seed=1) != drawn


ROWS, LABELS = clouds()
WRONG = {
    "one class": (ROWS, torch.zeros_like(LABELS), "`labels` must be of at least two known classes"),
    "no known class": (ROWS, torch.full_like(LABELS, -1), "two known classes, got 0"),
    "labels of other images": (
        ROWS,
        LABELS[:-1],
        r"`labels` must be a tensor \(18,\), got",
    ),
    "below -1": (ROWS, LABELS - 2, "`labels` must be of at least -1, got -2"),
    "constant": (torch.ones_like(ROWS), LABELS, "`features` must be different in some rows"),
    "nan": (ROWS / ROWS.new_tensor([1, 1, 1, 1, 1, 0]) * 0, LABELS, "`features` must be finite"),
    "few": (ROWS[:3], torch.tensor([0, 1, 1]), "`features` must be of at least 4 rows"),
    "no matrix": (ROWS[0], LABELS, r"`features` must be a tensor \(N, D\)"),
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize(("x", "y", "message"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_named(number, x, y, message):
    with pytest.raises(ValueError, match=message):
        number(x, y)


@pytest.mark.parametrize("number", [class_separation, intra_class_spread, silhouette])
def test_a_row_of_zeros_has_no_direction(number):
    x = ROWS.clone()
    x[4] = 0
    with pytest.raises(ValueError, match="`features` must be without rows of zeros.*image 4"):
        number(x, LABELS)


def test_labels_must_be_given_and_whole():
    with pytest.raises(TypeError, match=r"`labels` must be a tensor \(N,\), got None"):
        class_separation(ROWS)
    with pytest.raises(TypeError, match="`labels` must be of torch.int64"):
        class_separation(ROWS, LABELS.float())


def test_one_direction_has_no_separation():
    x = torch.tensor([[1.0, 1], [2, 2], [3, 3], [4, 4]])
    with pytest.raises(ValueError, match="`features` must be in more than one direction"):
        class_separation(x, torch.tensor([0, 0, 1, 1]))


def test_a_class_that_cancels_out_has_no_direction():
    x = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, 1]])
    with pytest.raises(ValueError, match="mean direction in each class, got .* in class 0"):
        intra_class_spread(x, torch.tensor([0, 0, 1, 1]))


def test_silhouette_needs_several_images_of_a_class():
    with pytest.raises(ValueError, match="`labels` must be of at least two classes and of fewer"):
        silhouette(ROWS, torch.arange(len(ROWS)))
    with pytest.raises(ValueError, match="`metric` must be one of 'cosine', 'euclidean'"):
        silhouette(ROWS, LABELS, metric="l1")
