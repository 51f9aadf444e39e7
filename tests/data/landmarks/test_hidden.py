"""What is hidden or not there enters no score, no view and no distance."""

import pytest
import torch
from PIL import Image

from instdisc.data import (
    FACE_5,
    FACE_68,
    LandmarkDataset,
    LandmarkFiles,
    LandmarkSubset,
    SquareFrame,
    ViewPolicy,
    split_landmarks,
)

FACE = torch.tensor([[20.0, 20], [40, 20], [30, 30], [22, 40], [38, 40]])
PLAIN = ViewPolicy(SquareFrame(64), flip=0.0)


@pytest.fixture
def files(tmp_path):
    """``files(points)`` are images of 64 x 64 with these points."""

    def make(points, layout=FACE_5, size=(64, 64), **options):
        names = [f"{i}.png" for i in range(len(points))]
        for name in names:
            Image.new("RGB", size).save(tmp_path / name)
        return LandmarkFiles(tmp_path, names, points, layout, name="faces", **options)

    return make


def with_hidden(*hidden, place=(0.0, 0.0)):
    face = torch.cat([FACE, torch.ones(5, 1)], 1)
    for point in hidden:
        face[point] = torch.tensor([*place, 0.0])
    return face


def view(images, index=0, **options):
    return LandmarkDataset(images, PLAIN, **options).batch([(0, index)]).batch


# The distance between the eyes


def test_a_hidden_eye_has_no_distance():
    faces = torch.stack([with_hidden(), with_hidden(0), with_hidden(1), with_hidden(2)])
    distances = FACE_5.distance(faces)
    assert distances[[0, 3]].tolist() == [20, 20]
    assert distances[[1, 2]].isnan().all()
    # By an argument as well, and it has the last word.
    visible = torch.ones(4, 5, dtype=torch.bool)
    assert FACE_5.distance(faces[..., :2], faces[..., 2] > 0).isnan().tolist() == [0, 1, 1, 0]
    assert FACE_5.distance(faces[:1], ~visible[:1]).isnan().all()
    assert FACE_5.distance(FACE) == 20


def test_an_eye_of_several_points_is_where_its_visible_ones_are():
    pupils = FACE_68._replace(eyes=(tuple(range(36, 42)), tuple(range(42, 48))))
    face = torch.zeros(68, 3)
    face[36:42] = torch.tensor([10.0, 10, 1])
    face[42:48] = torch.tensor([30.0, 10, 1])
    face[36] = torch.tensor([-1.0, -1, 0])
    assert pupils.distance(face) == 20
    face[36:42, 2] = 0
    assert pupils.distance(face).isnan()
    assert FACE_68.distance(face).isnan()


# Sources


def test_negative_positions_are_not_visible(files, caplog):
    points = FACE.repeat(3, 1, 1)
    points[1, 0] = -1.0
    points[2, 3, 1] = -0.5
    images = files(points)
    assert images.all_points()[..., 2].tolist() == [[1] * 5, [0, 1, 1, 1, 1], [1, 1, 1, 0, 1]]
    (line,) = caplog.messages
    assert line.startswith(
        "2 images of 'faces' have 2 points left of or above the image: they do not count, first: "
    )
    assert line.endswith("/1.png")
    assert torch.equal(images.points(2)[:, :2], points[2])  # masked, never moved


def test_a_third_column_hides(files):
    points = torch.stack([with_hidden(), with_hidden(0, 4, place=(float("nan"), 3.0))])
    images = files(points)
    assert images.points(1)[:, 2].tolist() == [0, 1, 1, 1, 0]
    assert images.all_points().isfinite().all()
    with pytest.raises(ValueError, match="1.png of 'faces' has a point that is not finite"):
        files(points[..., :2])


def test_eyes_in_one_place_are_refused_only_if_visible(files):
    face = with_hidden()
    face[1] = face[0]
    with pytest.raises(ValueError, match="0.png of 'faces' has eyes in one place"):
        files(face[None])
    face[:2, 2] = 0
    assert FACE_5.distance(files(face[None]).all_points()).isnan().all()


def test_what_is_visible_is_part_of_the_fingerprint(files):
    prints = {files(torch.stack([with_hidden(*hidden, place=(20.0, 20.0))])).fingerprint()
              for hidden in ((), (0,), (2,))}  # fmt: skip
    assert len(prints) == 3


def test_subsets_and_splits(files):
    points = torch.stack([with_hidden(i % 5) for i in range(10)])
    images = files(points, boxes=torch.tensor([[0.0, 0, 60, 60]]).repeat(10, 1))
    train, test = split_landmarks(images)
    assert (len(train), test.positions.tolist()) == (7, [2, 4, 8])
    assert torch.equal(test.all_points(), images.all_points()[[2, 4, 8]])
    assert torch.equal(test.points(1), images.points(4))
    assert torch.equal(test.box(0), images.box(2))
    assert (test.layout, test.name) == (FACE_5, "faces")
    whole = LandmarkSubset(images, torch.arange(10))
    assert whole.fingerprint() == images.fingerprint() != test.fingerprint()
    few = images.subset(torch.tensor([4, 2])).subset(torch.tensor([1]))
    assert isinstance(few, LandmarkSubset)
    assert torch.equal(few.all_points(), images.all_points()[[2]])
    assert torch.equal(few.box(0), images.box(2))
    assert few.fingerprint() == LandmarkSubset(images, torch.tensor([2])).fingerprint()
    with pytest.raises(ValueError, match="`num_test` must be a whole number .* at most 9, got 10"):
        split_landmarks(images, 10)


# Views


def test_crop_is_laid_around_visible_points(files):
    images = files(torch.stack([with_hidden(), with_hidden(0, place=(-1.0, -1.0))]))
    assert view(images, 0, crop="points").boxes[0].tolist() == [20, 20, 40, 40]
    assert view(images, 1, crop="points").boxes[0].tolist() == [21, 20, 41, 40]  # 22 to 40 wide
    batch = view(images, 1, crop="points")
    assert batch.visible[0].tolist() == [False, True, True, True, True]
    assert not batch.inside[0, 0]


def test_crop_is_not_stretched_to_points_outside_the_image(files):
    face = FACE.clone()
    face[4] = torch.tensor([500.0, 40])  # right of the image: only a look at it tells
    assert view(files(face[None]), crop="points").boxes[0].tolist() == [20, 20, 40, 40]


def test_a_face_without_visible_points(files, caplog):
    points = torch.stack([with_hidden(*range(5)), with_hidden(), with_hidden()])
    images = files(points)
    assert not view(images).visible.any()  # a view of the image needs no point
    with pytest.raises(ValueError, match="0.png of 'faces' has no visible point to lay `crop`"):
        view(images, crop="points")
    skipping = files(points, on_unreadable="skip")
    assert view(skipping, crop="points").indices.tolist() == [1]
    assert "skipped: 0.png of 'faces' has no visible point" in caplog.text
    assert view(LandmarkSubset(skipping, torch.tensor([0, 2])), crop="points").indices == 1


def test_a_visible_point_must_be_finite_whatever_the_source(files):
    images = files(FACE[None])
    images._points[0, 2, 0] = float("nan")
    with pytest.raises(ValueError, match="0.png of 'faces' has a point that is not finite"):
        view(images)
    images._points[0, 2, 2] = 0
    assert view(images).points.isfinite().all()
