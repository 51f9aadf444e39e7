"""A test in which no face can be measured is refused before it trains."""

import pytest
import torch
from PIL import Image

from instdisc.data import FACE_5
from instdisc.data.landmarks import LandmarkFiles
from instdisc.transfer.landmarks.sets import check_sets


def faces(root, *eyes):
    points = torch.tensor([[[2.0, 2], [7, 2], [5, 4], [3, 6], [7, 6]]]).repeat(len(eyes), 1, 1)
    for row, eye in enumerate(eyes):
        Image.new("RGB", (9, 9)).save(root / f"{row}.png")
        points[row, 0] = torch.tensor(eye)
    return LandmarkFiles(root, [f"{row}.png" for row in range(len(eyes))], points, FACE_5)


def test_an_eye_right_of_every_image(tmp_path):
    good = faces(tmp_path, (2.0, 2.0), (20.0, 2.0))
    check_sets(good, good)
    bad = faces(tmp_path, (20.0, 2.0), (2.0, 30.0))
    with pytest.raises(ValueError, match=r"`test` must have an image with both eyes .* of the 2 "):
        check_sets(good, bad)
