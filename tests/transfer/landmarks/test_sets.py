"""Sets on which a training would end without a result are refused before it begins."""

import pytest
import torch

from instdisc.data import FACE_5, SCENE_5, LandmarkSource
from instdisc.models import Backbone
from instdisc.transfer import fit_landmarks
from instdisc.transfer.landmarks.sets import check_sets

FACE = torch.tensor([[8.0, 8, 1], [20, 8, 1], [14, 14, 1], [10, 20, 1], [19, 20, 1]])


class Faces(LandmarkSource):
    """Black images with one face in each."""

    classes = ()

    def __init__(self, name, *hidden, layout=FACE_5, scale=1.0):
        """``hidden`` are the hidden points of each image."""
        self.name, self.layout = name, layout
        self._points = FACE.repeat(len(hidden), 1, 1) * torch.tensor([scale, scale, 1])
        for row, points in enumerate(hidden):
            self._points[row, list(points), 2] = 0
        self.labels = torch.full((len(hidden),), -1)

    def read(self, index):
        return torch.zeros(3, 32, 40, dtype=torch.uint8)

    def points(self, index):
        return self._points[index]


GOOD = Faces("good", (), (), (0,))
ALL = range(5)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (GOOD, Faces("other", (), layout=SCENE_5), "`test` must have the points and eyes of"),
        (Faces("dark", ALL, ALL), GOOD, "`train` must have a visible point, got none in the 2"),
        (
            Faces("some", (2, 4), (2, 3)),
            GOOD,
            r"every point must be visible in some image .*'some' with 'nose' \(1 such",
        ),
        (
            GOOD,
            Faces("blind", (0,), (1,), ALL),
            r"`test` must have an image in which both eyes \(left eye and right eye\) .*'blind'",
        ),
        (Faces("large", (), scale=10.0), GOOD, "`train` must have points inside.*of 40 x 32 pix"),
        (GOOD, Faces("large", (), scale=10.0), "`test` must have points inside.*is at 80, 80"),
    ],
)
def test_refused_before_training(train, test, message):
    with pytest.raises(ValueError, match=message):
        check_sets(train, test)
    with pytest.raises(ValueError, match=message):
        fit_landmarks(Backbone("test_resnet"), train, test)


def test_what_is_left_out_is_said_once(caplog):
    check_sets(Faces("a", (), ALL, ALL), Faces("b", (), (0,), ALL, (2, 3, 4)))
    assert caplog.messages == [
        "2 of the 3 images of 'a' have no visible point: nothing is learnt from them; 1 first",
        "2 of the 4 images of 'b' lack an eye (left eye and right eye): they are left out of the "
        "score; 1 first",
    ]


def test_good_sets_say_nothing(caplog):
    check_sets(GOOD, Faces("b", (), (3,)))
    assert not caplog.messages
