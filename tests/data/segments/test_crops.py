"""Crops: sizes and padding by their formulas, image and mask in step, numbers from draws alone."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from instdisc.data import (
    Draws,
    PhotometricDistortion,
    Scenes,
    SceneSegments,
    SegmentData,
    SegmentDataset,
    SegmentPolicy,
    SegmentSource,
)
from instdisc.data.images.source import no_labels
from instdisc.data.segments.policy import PADDING_COLOR
from instdisc.types import SegmentBatch


def ramp(height, width):
    """A picture whose colours tell the place, and a mask that says the same."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack([rows * 3, columns * 3, rows * 0 + 128]).to(torch.uint8)
    return image, (rows // 8 * 8 + columns // 8).to(torch.uint8)


def cut(policy, pair, index=0):
    return policy.cut(*pair, policy.draw(Draws(0, 0, [index], 0)).frame[0])


@pytest.mark.parametrize("index", range(5))
def test_at_scale_one_a_crop_is_a_part_of_the_image(index):
    image, mask = ramp(40, 50)
    policy = SegmentPolicy((24, 32), scale=(1.0, 1.0), flip=0.0)
    crop = cut(policy, (image, mask), index)
    top, left = (int(one) // 3 for one in crop.image[:2, 0, 0])
    assert torch.equal(crop.image, image[:, top : top + 24, left : left + 32])
    assert torch.equal(crop.mask, mask[top : top + 24, left : left + 32])
    mirrored = cut(SegmentPolicy((24, 32), scale=(1.0, 1.0), flip=1.0), (image, mask), index)
    assert torch.equal(mirrored.image, crop.image.flip(2))
    assert torch.equal(mirrored.mask, crop.mask.flip(1))


@pytest.mark.parametrize("scale", [0.5, 0.61, 1.0, 1.37, 2.0])
@pytest.mark.parametrize("short_side", [None, 30])
def test_padding_follows_the_formula(scale, short_side):
    pair = ramp(40, 50)
    policy = SegmentPolicy((32, 70), scale=(scale, scale), short_side=short_side)
    crop = cut(policy, pair)
    s = scale * (1 if short_side is None else short_side / 40)
    height, width = min(32, round(40 * s)), min(70, round(50 * s))
    assert crop.size == (height, width)
    assert crop.image.shape == (3, 32, 70)
    inside = torch.zeros(32, 70, dtype=torch.bool)
    inside[:height, :width] = True
    assert torch.equal(crop.mask == 255, ~inside)
    color = torch.tensor(PADDING_COLOR, dtype=torch.uint8)[:, None]
    assert (crop.image[:, ~inside] == color).all()


def test_image_and_mask_are_scaled_in_step():
    marked = torch.zeros(3, 64, 64, dtype=torch.uint8)
    marked[:, 16:40, 24:48] = 255
    inside = (marked[0] > 0).to(torch.uint8)
    for index in range(8):
        crop = cut(SegmentPolicy(48), (marked, inside), index)
        known = crop.mask != 255
        bright = (crop.image[0] > 127).to(torch.uint8)
        wrong = (bright != crop.mask)[known].float().mean()
        assert wrong < 0.03  # pixels on the outline alone


def test_scales_are_drawn_evenly():
    policy = SegmentPolicy(32, scale=(0.5, 2.0))
    drawn = np.array(policy.draw(Draws(0, 0, range(2000), 0)).frame)
    assert drawn[:, 1].min() >= 0.5
    assert drawn[:, 1].max() <= 2.0
    assert abs(drawn[:, 1].mean() - 1.25) < 0.03
    assert abs(drawn[:, 0].mean() - 0.5) < 0.03


def test_crops_of_one_class_are_drawn_again():
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    mask = torch.zeros(64, 64, dtype=torch.uint8)
    mask[:, 48:] = 1
    mask[0] = 255  # ignored pixels have no part in the share

    def alone(max_share):
        policy = SegmentPolicy(16, scale=(1.0, 1.0), max_share=max_share)
        crops = [cut(policy, (image, mask), index).mask for index in range(60)]
        return sum(len(crop[crop != 255].unique()) == 1 for crop in crops)

    assert alone(1.0) > 35
    assert alone(0.75) < 20


def test_distortion_against_hsv():
    matplotlib = pytest.importorskip("matplotlib.colors")
    images = torch.rand(4, 3, 8, 8) * 0.8 + 0.1
    step = PhotometricDistortion()
    numbers = torch.tensor([[0.05, 1.1, 1.3, 0.04, 1.0], [0.0, 1.0, 0.6, -0.03, 0.7]] * 2)
    found = step.apply(images, numbers).permute(0, 2, 3, 1).numpy()
    for image, own, result in zip(images.permute(0, 2, 3, 1).numpy(), numbers, found, strict=True):
        added, early, purer, turned, late = own.tolist()
        hsv = matplotlib.rgb_to_hsv(((image + added).clip(0, 1) * early).clip(0, 1))
        hsv[..., 1] = (hsv[..., 1] * purer).clip(0, 1)
        hsv[..., 0] = (hsv[..., 0] + turned) % 1
        expected = (matplotlib.hsv_to_rgb(hsv) * late).clip(0, 1)
        assert np.allclose(result, expected, atol=2e-3)
    neutral = torch.tensor([step.neutral] * 4)
    assert torch.allclose(step.apply(images, neutral), images, atol=1e-6)
    drawn = step.draw(Draws(0, 0, range(1000), 0))
    changed = (drawn != np.array(step.neutral)).mean(0)
    assert np.allclose(changed, [0.5, 0.25, 0.5, 0.5, 0.25], atol=0.05)
    assert np.abs(drawn[:, 0]).max() <= 32 / 255


def batches(data, workers=0):
    data.num_workers = workers
    return [batch.finish(data.policy) for batch in data.train_dataloader()]


def test_numbers_do_not_depend_on_workers_and_a_loader_goes_on():
    scenes = SceneSegments(Scenes(12, image_size=32))
    data = SegmentData(scenes, scenes, crop_size=24, distort=True, batch_size=4, seed=3)
    alone, worked = batches(data), batches(data, 1)
    for one, other in zip(alone, worked, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    data.num_workers = 0
    loader = data.train_dataloader()
    iterator = iter(loader)
    next(iterator)
    state = loader.state_dict()
    again = data.train_dataloader()
    again.load_state_dict(state)
    rest = [batch.finish(data.policy) for batch in again]
    assert [r.indices.tolist() for r in rest] == [b.indices.tolist() for b in alone[1:]]
    assert torch.equal(rest[0].images, alone[1].images)


class Mixed(SegmentSource):
    """Images of two sizes."""

    name, classes = "mixed", ("a", "b")

    def __init__(self):
        self.labels = no_labels(3)

    def read(self, index):
        return torch.full((3, 8 + 2 * index, 12), index, dtype=torch.uint8)

    def mask(self, index):
        return torch.ones(8 + 2 * index, 12, dtype=torch.uint8)


def test_whole_images_are_padded_to_the_largest_of_a_batch():
    data = SegmentData(Mixed(), Mixed(), crop_size=8, batch_size=2, test_batch_size=2)
    loader = data.val_dataloader()
    assert isinstance(loader, DataLoader)
    first, last = list(loader)
    assert isinstance(first, SegmentBatch)
    assert first.images.shape == (2, 3, 10, 12)
    assert first.sizes.tolist() == [[8, 12], [10, 12]]
    assert (first.masks[0, 8:] == 255).all()
    assert (first.masks[0, :8] == 1).all()
    assert last.indices.tolist() == [2]
    assert data.on_after_batch_transfer(first, 0) is first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_size": 0}, "`crop_size` must be a whole number of at least 1, got 0"),
        ({"crop_size": (1, 2, 3)}, "`crop_size` must be a side, or height and width"),
        ({"scale": (2.0, 1.0)}, "`scale` must be a finite number of at least 2, got 1.0"),
        (
            {"scale": (0.5, float("inf"))},
            "`scale.1.` must be a finite number, got inf",
        ),
        ({"scale": (1.0,)}, "`scale` must be the smallest and the largest factor"),
        ({"scale": (0.0, 1.0)}, "`scale` must be a finite number above 0, got 0.0"),
        ({"short_side": 0}, "`short_side` must be a whole number of at least 1, got 0"),
        ({"max_share": 0.0}, "`max_share` must be a finite number above 0 and at most 1"),
        ({"flip": 2.0}, "`flip` must be a finite number of at least 0 and at most 1, got 2.0"),
    ],
)
def test_bad_policies(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentPolicy(**{"crop_size": 8, **options})


def test_bad_rest():
    for name, value in (("brightness", 2.0), ("contrast", -1.0), ("saturation", 3.0)):
        with pytest.raises(
            ValueError, match=f"`{name}` must be a finite number of at least 0 and at most 1"
        ):
            PhotometricDistortion(**{name: value})
    with pytest.raises(
        ValueError, match="`hue` must be a finite number of at least 0 and at most 0.5"
    ):
        PhotometricDistortion(hue=0.6)
    with pytest.raises(ValueError, match="`seed` must be a whole number of at least 0"):
        SegmentDataset(Mixed(), seed=-1)
    empty = Mixed()
    empty.labels = no_labels(0)
    with pytest.raises(ValueError, match="`segments` must hold at least one image, got none"):
        SegmentDataset(empty)
