"""Cutting by matrix products against torch's antialiased resize."""

import pytest
import torch
from torch.nn import functional as F

from instdisc.data import CenterCrop, Draws, RandomResizedCrop
from instdisc.data.views import resample as module
from instdisc.data.views.resample import cut_boxes, resample


def images(count=40, height=30, width=44):
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)


def resampled(frame, pictures, rows, mirrored):
    height, width = pictures.shape[2:]
    boxes = [
        (*frame.box(height, width, row), flip) for row, flip in zip(rows, mirrored, strict=True)
    ]
    return resample(pictures.transpose(1, 2), torch.tensor(boxes), frame.size)


@pytest.mark.parametrize(
    "frame",
    [
        RandomResizedCrop(16),
        RandomResizedCrop(64),
        RandomResizedCrop(24, (0.01, 0.05)),
        CenterCrop(24, resize=28),
        CenterCrop(40, resize=40),
        CenterCrop(8, resize=9),
        RandomResizedCrop((16, 40)),
        RandomResizedCrop((50, 20), (0.01, 0.3)),
        CenterCrop((24, 40), resize=(28, 46)),
        CenterCrop((40, 10), resize=(40, 10)),
        CenterCrop((12, 20), resize=(14, 22), keep_aspect=False),
    ],
)
def test_views_are_those_of_the_frame(frame):
    pictures = images()
    rows = frame.draw(Draws(0, 0, range(40), 0)).tolist()
    mirrored = [index % 3 == 0 for index in range(40)]
    found = resampled(frame, pictures, rows, mirrored)
    for picture, row, flip, view in zip(pictures, rows, mirrored, found, strict=True):
        expected = frame.cut(picture, row)
        expected = expected.flip(2) if flip else expected
        assert (view.int() - expected.int()).abs().max() <= 1  # torch's weights have 16 bits


def test_equals_the_float_resize_to_rounding():
    pictures, frame = images(), RandomResizedCrop(20)
    rows = frame.draw(Draws(1, 0, range(40), 0)).tolist()
    found = resampled(frame, pictures, rows, [False] * 40)
    for picture, row, view in zip(pictures, rows, found, strict=True):
        top, left, height, width, _ = frame.box(30, 44, row)
        part = picture[None, :, top : top + height, left : left + width].double()
        expected = F.interpolate(part, (20, 20), mode="bilinear", antialias=True)[0]
        assert (view.double() - expected).abs().max() <= 0.5 + 1e-3


def test_the_whole_image_stays_as_it_is():
    pictures = images(5, 32, 32)
    found = resampled(CenterCrop(32, resize=32), pictures, [[]] * 5, [False] * 5)
    assert torch.equal(found, pictures)
    mirrored = resampled(CenterCrop(32, resize=32), pictures, [[]] * 5, [True] * 5)
    assert torch.equal(mirrored, pictures.flip(3))


def test_white_stays_white():
    white = torch.full((8, 3, 30, 44), 255, dtype=torch.uint8)
    frame = RandomResizedCrop(50)
    rows = frame.draw(Draws(0, 0, range(8), 0)).tolist()
    assert resampled(frame, white, rows, [True] * 8).eq(255).all()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 32), (31, 7)])
def test_weights_that_were_kept_are_those_that_are_computed(height, width, monkeypatch):
    pictures, frame = images(200, height, width), RandomResizedCrop(24, (0.05, 1.0))
    rows = frame.draw(Draws(3, 0, range(200), 0)).tolist()
    mirrored = [index % 2 == 0 for index in range(200)]
    found = resampled(frame, pictures, rows, mirrored)
    monkeypatch.setattr(module, "_look_up", None)  # nothing is looked up any more
    with pytest.raises(TypeError):
        resampled(frame, pictures, rows, mirrored)
    monkeypatch.setattr(module, "_TABLE_SIZE", 0)
    assert torch.equal(found, resampled(frame, pictures, rows, mirrored))


@pytest.mark.parametrize(
    "box",
    [
        (0.5, 0.0, 8.0, 8.0, True),  # of fractions
        (0.0, 0.0, 8.0, 8.0, False),  # with what lies around it
        (-2.0, 0.0, 8.0, 8.0, True),  # beyond the image
        (10.0, 0.0, 8.0, 8.0, True),
    ],
)
def test_of_boxes_of_another_kind_nothing_is_looked_up(box, monkeypatch):
    monkeypatch.setattr(module, "_look_up", None)
    boxes = torch.tensor([(*box, False), (0.0, 0.0, 8.0, 8.0, True, False)])
    views = resample(images(2, 16, 16).transpose(1, 2), boxes, 12)
    assert views.shape == (2, 3, 12, 12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("size", [24, 64, (24, 50), (64, 9)])
def test_the_gpu_cuts_the_same_up_to_a_level(size):
    """Sums in another order may round a value that lies halfway to the other level."""
    stack = torch.randint(0, 256, (9, 40, 3, 33), dtype=torch.uint8)
    boxes = torch.tensor([[1.5, 2.0, 30.0, 20.5, 1.0, 1.0], [0.0, 0.0, 40.0, 33.0, 0.0, 0.0]])
    indices = torch.tensor([8, 3])
    (expected,) = cut_boxes(stack, [boxes], indices, [size])
    (cut,) = cut_boxes(stack.cuda(), [boxes.cuda()], indices.cuda(), [size])
    away = (cut.cpu().int() - expected.int()).abs()
    assert away.max() <= 1
    assert (away > 0).float().mean() < 5e-3
