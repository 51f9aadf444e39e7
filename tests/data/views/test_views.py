"""What a view depends on, the crops against torchvision's, whole policies against lightly's."""

import math

import numpy as np
import pytest
import torch
from lightly.transforms import MoCoV2Transform
from scipy.stats import chi2_contingency, chisquare
from torchvision.transforms import RandomResizedCrop as TorchvisionCrop
from torchvision.transforms import v2

from instdisc.data import (
    CenterCrop,
    Draws,
    ImagesInMemory,
    ImageSource,
    RandomResizedCrop,
    ViewDataset,
    ViewPolicy,
    view_policy,
)
from instdisc.data.views.dataset import IMAGENET_MEAN, IMAGENET_STD
from instdisc.data.views.photometric import JITTER_ORDERS
from instdisc.data.views.resample import cut_boxes


class Noise(ImageSource):
    """Noise images, each of its own shape."""

    def __init__(self, count: int = 6) -> None:
        self.name = "noise"
        self.classes = ["even", "odd"]
        self.labels = torch.arange(count) % 2

    def read(self, index):
        generator = torch.Generator().manual_seed(index)
        shape = (3, 40 + index, 50 - index)
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def noise(height: int = 48, width: int = 48) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


def cut(policy, image, seed, epoch, index, view):
    """One view and its photometric numbers."""
    drawn = policy.draw(Draws(seed, epoch, [index], view))
    return policy.cut(image, drawn.frame[0], drawn.flipped[0]), drawn.photometric[0]


# What the numbers depend on


def test_a_view_depends_on_four_integers_alone():
    policy, image = view_policy("moco_v2", 32), noise()
    view, numbers = cut(policy, image, 1, 2, 3, 4)
    torch.rand(3), np.random.rand(3)  # other generators have no part in it
    cut(policy, image, 9, 9, 9, 9)
    again, same = cut(view_policy("moco_v2", 32), image, 1, 2, 3, 4)
    assert torch.equal(view, again)
    assert torch.equal(numbers, same)


@pytest.mark.parametrize("changed", [(2, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5)])
def test_each_of_the_four_changes_the_view(changed):
    policy, image = view_policy("moco_v1", 32), noise()
    view, numbers = cut(policy, image, 1, 2, 3, 4)
    other, others = cut(policy, image, *changed)
    assert not torch.equal(view, other)
    assert not torch.equal(numbers[1:], others[1:])


def test_no_two_views_share_their_numbers():
    policy = view_policy("moco_v1", 8)
    drawn = {
        tuple(row[1:].tolist())
        for seed in range(4)
        for epoch in range(4)
        for view in range(4)
        for row in policy.draw(Draws(seed, epoch, range(4), view)).photometric
    }
    assert len(drawn) == 256


def test_dataset_hands_over_what_the_policies_cut():
    images, policies = Noise(), [view_policy("moco_v1", 32), view_policy("zhao_fr", 24)]
    dataset = ViewDataset(images, policies, seed=7)
    batch = dataset.batch([(5, 3), (5, 0)])
    assert len(dataset) == 6
    for view, policy in enumerate(policies):
        for row, index in enumerate((3, 0)):
            alone, numbers = cut(policy, images.read(index), 7, 5, index, view)
            assert torch.equal(batch.views[view][row], alone)
            assert torch.equal(batch.numbers[view][row], numbers)
    assert batch.labels.tolist() == [1, 0]
    assert batch.indices.tolist() == [3, 0]


def test_one_image_is_a_batch_of_one():
    dataset = ViewDataset(Noise(), [view_policy("moco_v2", 16)] * 2, seed=3)
    batch, alone = dataset.batch([(1, 4), (1, 2)]), dataset[1, 2]
    for view in range(2):
        assert torch.equal(batch.views[view][1:], alone.views[view])
        assert torch.equal(batch.numbers[view][1:], alone.numbers[view])


# Images in memory


class Square(Noise):
    """Noise images of one size."""

    side = 30

    def read(self, index):
        generator = torch.Generator().manual_seed(index)
        shape = (3, self.side, self.side)
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


class LargeSquare(Square):
    side = 40  # above what is cut by matrix products


@pytest.mark.parametrize("source", [Noise, Square, LargeSquare])
@pytest.mark.parametrize("name", ["moco_v2", "zhao_f"])
def test_views_from_memory_are_those_from_files(source, name):
    policies = [view_policy(name, 32), view_policy("zhao_fr", 24)]
    keys = [(2, index) for index in (5, 0, 3)]
    expected = ViewDataset(source(), policies, seed=1).batch(keys)
    found = ViewDataset(ImagesInMemory(source()), policies, seed=1).batch(keys)
    for view in range(2):
        assert torch.equal(found.numbers[view], expected.numbers[view])
        difference = (found.views[view].int() - expected.views[view].int()).abs()
        assert difference.max() <= (1 if source is Square else 0)  # torch rounds its weights
    assert torch.equal(found.labels, expected.labels)


def test_uncut_views_are_cut_where_the_images_are():
    images, policies = ImagesInMemory(Square()), [view_policy("moco_v2", 32)] * 2
    keys = [(2, index) for index in (5, 0, 3)]
    expected = ViewDataset(images, policies, seed=1).batch(keys)
    uncut = ViewDataset(images, policies, seed=1, cut=False).batch(keys)
    views = cut_boxes(images.stack, uncut.boxes, uncut.indices, [32, 32])
    for view in range(2):
        assert torch.equal(views[view], expected.views[view])
        assert torch.equal(uncut.numbers[view], expected.numbers[view])


def test_order_of_the_jitter_is_each_images_own():
    def orders(epoch, view, indices=range(24_000)):
        numbers = view_policy("moco_v1", 8).draw(Draws(3, epoch, indices, view)).photometric
        return numbers[:, 1:].numpy().T  # grey comes first

    first, second, later = orders(0, 0), orders(0, 1), orders(1, 0)
    num_orders = len(JITTER_ORDERS)
    for numbers in (first, second, later):
        counts = np.bincount(numbers[4].astype(int), minlength=num_orders)
        assert len(counts) == num_orders
        assert chisquare(counts).pvalue > 1e-3  # evenly
    for other in (second[4], later[4], *first[:4]):  # independent of what else is drawn
        pairs = np.histogram2d(first[4], other, bins=num_orders)[0]
        assert chi2_contingency(pairs).pvalue > 1e-3
    few = orders(0, 0, [4000, 7])  # not of the neighbours
    assert (few == first[:, [4000, 7]]).all()


# Crops


def boxes_of(crop, height, width, count):
    rows = crop.draw(Draws(0, 0, range(count), 0)).tolist()
    return np.array([crop.box(height, width, row)[:4] for row in rows], dtype=float)


def test_boxes_have_torchvisions_statistics():
    height, width, count = 300, 400, 3000
    boxes = boxes_of(RandomResizedCrop(32, (0.2, 1.0)), height, width, count)
    image, get_params = torch.zeros(3, height, width), TorchvisionCrop.get_params
    expected = np.array(
        [get_params(image, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(count)], dtype=float
    )
    for found, known in zip(_box_measures(boxes), _box_measures(expected), strict=True):
        error = math.hypot(found.std(), known.std()) / math.sqrt(count)
        assert found.mean() == pytest.approx(known.mean(), abs=4 * error)
        assert found.std() == pytest.approx(known.std(), rel=0.08)


def _box_measures(boxes):
    top, left, height, width = boxes.T
    return height * width, np.log(width / height), top, left


@pytest.mark.parametrize(("height", "width"), [(32, 32), (375, 500), (20, 100), (1, 1), (2, 3)])
def test_boxes_lie_inside_the_image(height, width):
    crop = RandomResizedCrop(32, (0.2, 1.0))
    for top, left, h, w in boxes_of(crop, height, width, 300):
        assert 0 <= top <= top + h <= height
        assert 0 <= left <= left + w <= width
        assert min(h, w) >= 1


def test_boxes_have_the_asked_area_and_shape():
    boxes = boxes_of(RandomResizedCrop(32, (0.3, 0.5)), 1000, 1000, 500)
    area, log_ratio, _, _ = _box_measures(boxes)
    assert 0.299 < area.min() / 1e6 < 0.31
    assert 0.49 < area.max() / 1e6 < 0.501
    assert np.abs(log_ratio).max() < math.log(4 / 3) + 0.005


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [(10, 1000, (0, 493, 10, 13)), (1000, 9, (494, 0, 12, 9)), (1, 90, (0, 44, 1, 1))],
)
def test_extreme_shapes_fall_back_to_the_centre(height, width, box):
    assert boxes_of(RandomResizedCrop(32, (0.9, 1.0)), height, width, 1).tolist() == [list(box)]


@pytest.mark.parametrize(
    "frame",
    [
        RandomResizedCrop(32),
        RandomResizedCrop(32, (0.9, 1.0)),  # often at the tenth try, or in the centre
        CenterCrop(24, resize=28),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (375, 500), (10, 1000)])
def test_boxes_of_many_views_are_those_of_each(frame, height, width):
    numbers = frame.draw(Draws(4, 0, range(2000), 0))
    found = frame.boxes(height, width, numbers)
    assert found.tolist() == [list(frame.box(height, width, row)) for row in numbers.tolist()]


def test_crop_is_torchvisions_of_the_same_box():
    crop, image = RandomResizedCrop(24), noise(60, 80)
    (numbers,) = crop.draw(Draws(0, 0, [3], 0)).tolist()
    top, left, height, width, _ = crop.box(60, 80, numbers)
    expected = v2.functional.resized_crop(image, top, left, height, width, [24, 24], antialias=True)
    assert torch.equal(crop.cut(image, numbers), expected)


@pytest.mark.parametrize("shape", [(80, 60), (60, 80), (36, 36), (20, 31), (41, 36)])
def test_center_crop_is_torchvisions(shape):
    image = noise(*shape)
    reference = v2.Compose([v2.Resize(36, antialias=True), v2.CenterCrop(32)])
    found = CenterCrop(32, resize=36).cut(image, [])
    assert torch.equal(found, reference(image))


# The device's part


def test_finish_without_steps_normalises():
    views = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    expected = v2.functional.normalize(views / 255, IMAGENET_MEAN, IMAGENET_STD)
    found = ViewPolicy(RandomResizedCrop(8)).finish(views, torch.zeros(4, 0))
    torch.testing.assert_close(found, expected)
    own = ViewPolicy(RandomResizedCrop(8), mean=(0.5,) * 3, std=(0.5,) * 3)
    assert own.finish(torch.zeros_like(views), torch.zeros(4, 0)).eq(-1).all()


def test_flip_mirrors_with_its_chance():
    image = torch.arange(32, dtype=torch.uint8).expand(3, 32, 32)
    for chance in (0.0, 0.5, 1.0):
        policy = ViewPolicy(CenterCrop(32, resize=32), flip=chance)
        views = [cut(policy, image, 0, 0, index, 0)[0] for index in range(400)]
        flipped = [torch.equal(view, image.flip(2)) for view in views]
        assert all(f or torch.equal(v, image) for f, v in zip(flipped, views, strict=True))
        assert np.mean(flipped) == pytest.approx(chance, abs=0.1)


def gradient_images(count):
    """Smooth coloured pictures that grow brighter to the right, so that a flip shows."""
    rng = np.random.default_rng(5)
    ramp = np.linspace(-0.25, 0.25, 48)
    waves = np.sin(np.linspace(0, 20, 48))[:, None]
    colours = rng.uniform(0.3, 0.7, (count, 1, 1, 3))
    images = colours + ramp[None, None, :, None] + 0.08 * waves[None, :, :, None]
    images += rng.normal(0, 0.05, images.shape)
    return (images.clip(0, 1) * 255).astype(np.uint8)  # (N, H, W, 3)


def measures(views):
    """Per view: mean, spread, roughness, whether it is grey, whether it is mirrored."""
    mean = views.new_tensor(IMAGENET_MEAN)[:, None, None]
    std = views.new_tensor(IMAGENET_STD)[:, None, None]
    colours = views * std + mean
    grey = (colours.amax(1) - colours.amin(1)).amax((1, 2)) < 1e-4
    half = colours.shape[-1] // 2
    mirrored = colours[..., :half].mean((1, 2, 3)) > colours[..., half:].mean((1, 2, 3))
    roughness = colours.diff(dim=-1).abs().mean((1, 2, 3))
    rows = [colours.mean((1, 2, 3)), colours.std((1, 2, 3)), roughness, grey, mirrored]
    rows += list(colours.mean((2, 3)).T)
    return torch.stack([row.double() for row in rows])


def test_moco_v2_has_the_statistics_of_lightlys():
    count, size = 2000, 32
    images = gradient_images(count)
    scale = size / 224  # lightly's sigma does not shrink with the view
    lightlys = MoCoV2Transform(input_size=size, sigmas=(0.1 * scale, 2.0 * scale))
    pictures = [v2.functional.to_pil_image(image) for image in images]
    expected = measures(torch.stack([lightlys(picture)[0] for picture in pictures]))
    policy = view_policy("moco_v2", size)
    drawn = policy.draw(Draws(0, 0, range(count), 0))
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2)
    rows = zip(tensors, drawn.frame, drawn.flipped, strict=True)
    views = torch.stack([policy.cut(*row) for row in rows])
    found = measures(policy.finish(views, drawn.photometric))
    error = (expected.var(1) / expected.shape[1] + found.var(1) / found.shape[1]).sqrt()
    deviations = (found.mean(1) - expected.mean(1)) / error
    assert deviations.abs().max() < 4, deviations
    torch.testing.assert_close(found.std(1), expected.std(1), rtol=0.1, atol=0)


# Bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomResizedCrop(0), r"`size` must be a whole number of at least 1, got 0"),
        (
            lambda: RandomResizedCrop(8, (0.5, 0.2)),
            r"`scale` must be such that 0 < low <= high <= 1, got .0.5, 0.2.",
        ),
        (
            lambda: RandomResizedCrop(8, (0.0, 0.2)),
            r"`scale` must be such that 0 < low <= high <= 1, got .0.0, 0.2.",
        ),
        (lambda: CenterCrop(0, resize=4), r"`size` must be a whole number of at least 1, got 0"),
        (lambda: CenterCrop(8, resize=4), r"`resize` must be at least `size`=8, got 4"),
        (
            lambda: ViewPolicy(CenterCrop(8, resize=8), flip=1.5),
            r"`flip` must be a finite number of at least 0 and at most 1, got 1.5",
        ),
        (lambda: ViewDataset(Noise(0), [view_policy("zhao_f")]), r"`images` must hold at least"),
        (lambda: ViewDataset(Noise(), []), r"`policies` must name a policy"),
        (
            lambda: ViewDataset(Square(), [view_policy("zhao_f")], cut=False),
            r"`cut`=False needs `images` that are in memory in one size",
        ),
        (
            lambda: ViewDataset(ImagesInMemory(Noise()), [view_policy("zhao_f")], cut=False),
            r"`cut`=False needs `images` that are in memory in one size",
        ),
        (
            lambda: ViewDataset(Noise(), [view_policy("zhao_f")], seed=-1),
            r"`seed` must be a whole number of at least 0 and at most 4294967295, got -1",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
