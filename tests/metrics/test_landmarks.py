"""Landmark errors against naive loops and closed forms."""

import math

import pytest
import torch

from instdisc.metrics import (
    LandmarkErrors,
    area_under_curve,
    cumulative_errors,
    failure_rate,
    image_errors,
    landmark_errors,
    mean_error,
    point_errors,
)


def faces(count=7, num_points=5):
    points = torch.rand(count, num_points, 2) * 100
    predicted = points + torch.randn_like(points) * 5
    visible = torch.rand(count, num_points) < 0.7
    visible[0], visible[:, 1] = False, False  # an image and a point that never count
    return predicted, points, visible, torch.rand(count) * 30 + 20


def test_errors_equal_a_naive_loop():
    predicted, points, visible, distances = faces()
    errors = landmark_errors(predicted, points, distances)
    per_image, per_point = [], [[] for _ in range(5)]
    for n in range(7):
        own = []
        for p in range(5):
            (a, b), (c, d) = predicted[n, p].tolist(), points[n, p].tolist()
            error = math.hypot(a - c, b - d) / float(distances[n])
            assert float(errors[n, p]) == pytest.approx(error, rel=1e-6)
            if visible[n, p]:
                own.append(error)
                per_point[p].append(error)
        per_image.append(sum(own) / len(own) if own else math.nan)
    found = image_errors(errors, visible)
    assert found.tolist() == pytest.approx(per_image, rel=1e-6, nan_ok=True)
    means = [sum(own) / len(own) if own else math.nan for own in per_point]
    assert point_errors(errors, visible).tolist() == pytest.approx(means, rel=1e-6, nan_ok=True)


def test_errors_do_not_depend_on_the_scale_or_the_place():
    predicted, points, _, distances = faces()
    errors = landmark_errors(predicted, points, distances)
    other = landmark_errors(3 * predicted + 40, 3 * points + 40, 3 * distances)
    torch.testing.assert_close(errors, other, rtol=1e-4, atol=1e-5)


def test_a_hand_made_face():
    # Eyes 40 apart, every point 2 off: 5 %.
    points = torch.tensor([[[30.0, 40], [70, 40], [50, 60], [35, 80], [65, 80]]])
    errors = landmark_errors(points + torch.tensor([0.0, 2.0]), points, torch.tensor([40.0]))
    torch.testing.assert_close(errors, torch.full((1, 5), 0.05, dtype=torch.float64))


def test_curve_failures_and_area_agree():
    errors = torch.rand(200, dtype=torch.float64) * 0.2
    steps = torch.linspace(0, 0.1, 20001, dtype=torch.float64)
    curve = cumulative_errors(errors, steps)
    assert (curve.diff() >= 0).all()
    assert float(curve[-1]) == pytest.approx(1 - float(failure_rate(errors, 0.1)))
    assert float(area_under_curve(errors, 0.1)) == pytest.approx(float(curve.mean()), abs=1e-4)
    # The area up to a threshold above every error says the mean.
    assert float(area_under_curve(errors, 0.2)) == pytest.approx(1 - float(errors.mean()) / 0.2)


def test_resamples_are_further_dimensions():
    errors = torch.rand(3, 20)
    for statistic in (mean_error, lambda e: failure_rate(e, 0.5), lambda e: area_under_curve(e, 1)):
        assert torch.equal(statistic(errors), torch.stack([statistic(row) for row in errors]))


def test_metric_in_batches_equals_the_whole():
    predicted, points, visible, distances = faces()
    metric = LandmarkErrors()
    for rows in (slice(0, 3), slice(3, 7)):
        metric.update(predicted[rows], points[rows], visible[rows], distances[rows])
    found = metric.compute()
    assert torch.equal(found.isnan(), ~visible)
    expected = landmark_errors(predicted, points, distances)
    assert torch.equal(found[visible], expected[visible])


def test_points_that_do_not_count_change_nothing():
    predicted, points, visible, distances = faces()
    one = image_errors(landmark_errors(predicted, points, distances), visible)
    moved = torch.where(visible[..., None], predicted, predicted + 1000)
    other = image_errors(landmark_errors(moved, points, distances), visible)
    assert torch.equal(one[1:], other[1:])


def test_a_face_without_a_distance_is_left_out_and_counted():
    predicted, points, visible, distances = faces()
    distances[[2, 5]] = torch.nan
    points[0] = torch.nan  # of no visible point: any number
    metric = LandmarkErrors()
    for rows in (slice(0, 3), slice(3, 7)):
        metric.update(predicted[rows], points[rows], visible[rows], distances[rows])
    errors = metric.compute()
    assert metric.left_out == 2
    assert errors[[2, 5]].isnan().all()
    rest = [1, 3, 4, 6]
    assert torch.equal(errors[rest].isnan(), ~visible[rest])
    seen = torch.ones_like(visible)
    assert image_errors(errors, seen).isnan().tolist() == [
        True,
        False,
        True,
        *[False] * 2,
        True,
        False,
    ]
    assert not point_errors(errors, seen)[[0, 2, 3, 4]].isnan().any()
    metric.reset()
    assert metric.left_out == 0


def test_repeated_faces_count_once_in_the_order_of_the_set():
    predicted, points, visible, distances = faces()
    distances[2] = torch.nan
    whole, shuffled = LandmarkErrors(), LandmarkErrors()
    whole.update(predicted, points, visible, distances)
    for rows in ([6, 2, 0], [1, 2], [3, 4, 5, 6]):
        batch = (some[rows] for some in (predicted, points, visible, distances))
        shuffled.update(*batch, torch.tensor(rows))
    assert torch.equal(shuffled.compute().nan_to_num(), whole.compute().nan_to_num())
    assert shuffled.left_out == whole.left_out == 1


@pytest.mark.parametrize(
    ("predicted", "points", "distances", "message"),
    [
        (
            (2, 5, 2),
            (2, 4, 2),
            (2,),
            r"`predicted` must be a tensor \(2, 4, 2\) like `points`",
        ),
        ((2, 5, 3), (2, 5, 3), (2,), r"`points` must be a tensor \(N, P, 2\), got \(2, 5, 3\)"),
        ((2, 5, 2), (2, 5, 2), (3,), r"`distances` must be a tensor \(2,\), got \(3,\)"),
    ],
)
def test_shapes(predicted, points, distances, message):
    with pytest.raises(ValueError, match=message):
        landmark_errors(torch.rand(predicted), torch.rand(points), torch.ones(distances))


def test_refuses():
    points = torch.rand(2, 5, 2)
    with pytest.raises(
        ValueError, match="`distances` must be positive, .*, got 0.0. The eyes of image 1 coincide"
    ):
        landmark_errors(points, points, torch.tensor([1.0, 0.0]))
    with pytest.raises(
        ValueError, match="`predicted` must be finite, got inf in image 0. The training diverged"
    ):
        landmark_errors(points / 0, points, torch.ones(2))
    with pytest.raises(ValueError, match="`threshold` must be a finite number above 0, got 0"):
        failure_rate(torch.rand(2), 0)
    with pytest.raises(ValueError, match="`threshold` must be a finite number above 0, got -1"):
        area_under_curve(torch.rand(2), -1)
