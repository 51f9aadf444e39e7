"""The published colour distortion, pixel by pixel, and what it must leave alone."""

import numpy as np
import pytest
import torch

from instdisc.data import Draws, PhotometricDistortion, SegmentPolicy
from instdisc.data.segments import RawSegments
from instdisc.data.segments.policy import PADDING_COLOR
from instdisc.types import SegmentBatch


def to_hsv(red, green, blue):
    """Hue in degrees, saturation and value, by the textbook."""
    value, least = max(red, green, blue), min(red, green, blue)
    if value == least:
        return 0.0, 0.0, value
    part = 60 / (value - least)
    if value == red:
        hue = part * (green - blue)
    elif value == green:
        hue = 120 + part * (blue - red)
    else:
        hue = 240 + part * (red - green)
    return hue % 360, (value - least) / value, value


def to_rgb(hue, saturation, value):
    sector, rest = divmod(hue % 360 / 60, 1)
    low, down, up = (value * (1 - saturation * x) for x in (1, rest, 1 - rest))
    return [
        (value, up, low), (down, value, low), (low, value, up),
        (low, down, value), (up, low, value), (value, low, down),
    ][int(sector) % 6]  # fmt: skip


def clip(*colours):
    return [min(1.0, max(0.0, colour)) for colour in colours]


def distorted(pixel, added, factor, contrast_first, purer, degrees):
    """Brightness, then contrast or not yet, saturation, hue, then contrast if not yet."""
    pixel = clip(*(colour + added for colour in pixel))
    if contrast_first:
        pixel = clip(*(colour * factor for colour in pixel))
    hue, saturation, value = to_hsv(*pixel)
    pixel = clip(*to_rgb(hue, min(1.0, saturation * purer), value))
    pixel = clip(*to_rgb((to_hsv(*pixel)[0] + degrees) % 360, *to_hsv(*pixel)[1:]))
    if not contrast_first:
        pixel = clip(*(colour * factor for colour in pixel))
    return pixel


@pytest.mark.parametrize("contrast_first", [True, False])
@pytest.mark.parametrize(
    ("added", "factor", "purer", "degrees"),
    [
        (0.0, 1.0, 1.0, 36.0),
        (0.0, 1.0, 1.0, -36.0),
        (32 / 255, 1.5, 1.0, 0.0),  # brightness after contrast would be another colour
        (-32 / 255, 0.5, 1.5, 20.0),
        (0.1, 1.5, 1.5, -36.0),
        (0.0, 0.5, 0.5, 36.0),
    ],
)
def test_each_pixel(contrast_first, added, factor, purer, degrees):
    rs = np.random.RandomState(0)
    image = rs.rand(3, 6, 6)
    image[:, 0, 0] = 0.4  # grey
    image[:, 0, 1] = 0.0
    image[:, 0, 2] = 1.0
    image[:, 0, 3] = 1.0, 0.0, 0.0
    early, late = (factor, 1.0) if contrast_first else (1.0, factor)
    numbers = torch.tensor([[added, early, purer, degrees / 360, late]])
    found = PhotometricDistortion().apply(torch.from_numpy(image)[None].float(), numbers)[0]
    for row in range(6):
        for column in range(6):
            expected = distorted(
                image[:, row, column].tolist(), added, factor, contrast_first, purer, degrees
            )
            assert found[:, row, column].tolist() == pytest.approx(expected, abs=1e-5)


def test_published_strengths():
    step = PhotometricDistortion()
    added, early, purer, turned, late = step.draw(Draws(0, 0, range(20000), 0)).T
    factor = early * late  # one of them is 1
    # 18 of the 180 steps of a hue are 36 of 360 degrees.
    for numbers, middle, reach in (
        (255 * added, 0, 32), (factor, 1, 0.5), (purer, 1, 0.5), (360 * turned, 0, 36),
    ):  # fmt: skip
        away = numbers[numbers != middle] - middle
        assert len(away) / len(numbers) == pytest.approx(0.5, abs=0.02)
        assert 0.995 * reach < away.max() <= reach
        assert -reach <= away.min() < -0.995 * reach
        assert np.abs(away).mean() == pytest.approx(reach / 2, rel=0.03)  # evenly
    assert (early != 1).mean() == pytest.approx(0.25, abs=0.02)
    assert (late != 1).mean() == pytest.approx(0.25, abs=0.02)
    assert not ((early != 1) & (late != 1)).any()


def test_padding_is_not_distorted():
    policy = SegmentPolicy(
        (16, 20), scale=(0.5, 2.0), flip=0.5, photometric=[PhotometricDistortion()]
    )
    drawn = policy.draw(Draws(0, 0, range(12), 0))
    image = torch.randint(0, 256, (3, 14, 14), generator=torch.Generator().manual_seed(0))
    crops = [
        policy.cut(image.byte(), torch.zeros(14, 14, dtype=torch.uint8), numbers)
        for numbers in drawn.frame
    ]
    images, masks, sizes = (list(part) for part in zip(*crops, strict=True))
    batch = SegmentBatch(
        torch.stack(images), torch.stack(masks), torch.tensor(sizes), torch.arange(12)
    )
    found = RawSegments(batch, drawn.photometric).finish(policy)
    color = torch.tensor(PADDING_COLOR, dtype=torch.uint8)[:, None]
    changed = 0
    for one, before, mask, (height, width) in zip(found.images, images, masks, sizes, strict=True):
        padding = torch.ones(16, 20, dtype=torch.bool)
        padding[:height, :width] = False
        assert torch.equal(padding, mask == 255)
        assert (one[:, padding] == color).all()
        changed += not torch.equal(one, before)
    assert changed > 8
    assert sum(size != (16, 20) for size in sizes) > 6


def test_a_crop_of_one_class_is_drawn_ten_times_more():
    policy = SegmentPolicy(4, scale=(1.0, 1.0), flip=0.0, max_share=0.75)
    numbers = policy.draw(Draws(0, 0, [0], 0)).frame[0]
    assert len(numbers) == 2 + 2 * 11
    mask = torch.zeros(40, 40, dtype=torch.uint8)
    mask[36:, :] = torch.tensor([0, 1]).repeat(20).byte()  # the lowest rows alone show two classes
    image = torch.arange(40).byte()[None, :, None].expand(3, 40, 40)

    def top(downs):
        places = [number for down in downs for number in (down, 0.0)]
        return int(policy.cut(image, mask, [0.0, 1.0, *places]).image[0, 0, 0])

    for good in range(11):
        downs = [0.5] * 11
        downs[good] = 0.999
        assert top(downs) == 36, good
    last = [0.5] * 10 + [0.25]  # the eleventh is taken as it is
    assert top(last) == int(0.25 * 37)


@pytest.mark.parametrize(
    ("share", "again"), [(0.5, True), (0.7, True), (0.75, True), (0.76, False), (1.0, False)]
)
def test_a_share_of_three_quarters_is_too_much_at_three_quarters(share, again):
    mask = torch.zeros(8, 4, dtype=torch.uint8)
    mask[0] = 255
    mask[1, :3] = 1  # of the 12 pixels that count above, 9 are of class 0
    counts = np.bincount(mask[:4].numpy().ravel(), minlength=256)[:255]
    assert counts.max() / counts.sum() == 0.75
    policy = SegmentPolicy(4, scale=(1.0, 1.0), flip=0.0, max_share=share)
    image = torch.arange(8).byte()[None, :, None].expand(3, 8, 4)
    places = [0.0, 0.0] + [0.999, 0.0] * 10
    assert int(policy.cut(image, mask, [0.0, 1.0, *places]).image[0, 0, 0]) == (4 if again else 0)
