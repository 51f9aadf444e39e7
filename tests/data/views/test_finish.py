"""The fast way to the colours against the plain one."""

import warnings

import pytest
import torch

from instdisc.data import (
    Draws,
    PhotometricStep,
    RandomResizedCrop,
    Scenes,
    ViewDataset,
    ViewFinisher,
    ViewPolicy,
    multi_crop,
    view_policy,
)
from instdisc.data.views.dataset import RawViews

from ...processes import apart


def raw_batch(policies, count=19, epoch=0):
    dataset = ViewDataset(Scenes(count, image_size=48), policies, seed=3)
    return dataset.batch([(epoch, index) for index in range(count)])


def plain(policies, raw):
    parts = zip(policies, raw.views, raw.numbers, strict=True)
    return [policy.finish(views, numbers) for policy, views, numbers in parts]


@pytest.mark.parametrize("name", ["moco_v1", "moco_v2", "zhao_f", "moco_v3_second"])
def test_in_pieces_and_passing_over_it_gives_the_same(name, monkeypatch):
    policies = [view_policy(name, 24)] * 2
    raw = raw_batch(policies)
    monkeypatch.setattr("instdisc.data.views.cpu._PIECE", 5 * 3 * 24 * 24)  # 19 = 5 + 5 + 5 + 4
    found = ViewFinisher(policies)(raw)
    for view, expected in zip(found.images, plain(policies, raw), strict=True):
        torch.testing.assert_close(view, expected, atol=1e-5, rtol=0)
    assert torch.equal(found.labels, raw.labels)
    assert torch.equal(found.indices, raw.indices)


def test_views_may_lie_in_either_memory_format():
    policies = [view_policy("moco_v2", 24)]
    raw = raw_batch(policies)
    assert raw.views[0].is_contiguous(memory_format=torch.channels_last)
    finish = ViewFinisher(policies)
    planes = raw._replace(views=[raw.views[0].contiguous()])
    assert torch.equal(finish(planes).images[0], finish(raw).images[0])


def test_views_of_several_sizes():
    policies = multi_crop("moco_v2", 32, small_size=16, num_small=2)
    raw = raw_batch(policies)
    images = ViewFinisher(policies)(raw).images
    assert [view.shape[-1] for view in images] == [32, 32, 16, 16]
    for view, expected in zip(images, plain(policies, raw), strict=True):
        torch.testing.assert_close(view, expected, atol=1e-5, rtol=0)


def test_raw_views_stay_as_they_were():
    policies = [view_policy("moco_v2", 24)]
    raw, again = raw_batch(policies), raw_batch(policies)
    ViewFinisher(policies)(raw)
    assert torch.equal(raw.views[0], again.views[0])
    assert torch.equal(raw.numbers[0], again.numbers[0])


def test_bfloat16_is_the_rounded_float32():
    policies = [view_policy("moco_v2", 24)]
    raw = raw_batch(policies)
    found = ViewFinisher(policies, dtype=torch.bfloat16)(raw).images[0]
    assert torch.equal(found, ViewFinisher(policies)(raw).images[0].bfloat16())


class Invert(PhotometricStep):
    """A user's own step, on every view, without neutral numbers."""

    num_numbers = 2

    def draw(self, draws):
        return torch.stack([torch.from_numpy(draws.uniform(0.5, 1)) for _ in range(2)], 1).numpy()

    def apply(self, images, numbers):
        return 1 - images * numbers[:, 0, None, None, None]


def test_a_step_of_ones_own():
    own = view_policy("moco_v2", 24)
    policies = [ViewPolicy(RandomResizedCrop(24), [*own.photometric, Invert()])]
    raw = raw_batch(policies)
    assert raw.numbers[0].shape == (19, 9)
    (found,) = ViewFinisher(policies)(raw).images
    torch.testing.assert_close(found, plain(policies, raw)[0], atol=1e-5, rtol=0)


@pytest.mark.slow
@apart
def test_a_step_of_ones_own_compiled():
    own = view_policy("moco_v2", 24)
    policies = [ViewPolicy(RandomResizedCrop(24), [*own.photometric, Invert()])]
    finish = ViewFinisher(policies, compile=True)
    for count in (70, 33, 1):  # another size of the batch; a lone view, too
        raw = raw_batch(policies, count)
        (found,) = finish(raw).images
        torch.testing.assert_close(found, plain(policies, raw)[0], atol=1e-5, rtol=0)


def test_nothing_is_drawn():
    policies = [view_policy("moco_v2", 24)]
    raw, finish = raw_batch(policies), ViewFinisher(policies)
    state = torch.get_rng_state()
    first = finish(raw).images[0]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(finish(raw).images[0], first)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("size", [24, 63, 97])  # a single launch, and of several, odd ones
@pytest.mark.parametrize("name", ["zhao_fr", "moco_v1", "moco_v2", "moco_v3_second"])
@pytest.mark.parametrize("triton", [True, False])
def test_the_gpu_gives_the_same_without_waiting(name, size, triton, monkeypatch):
    if not triton:
        monkeypatch.setattr("instdisc.gpu.available", lambda device: False)
    policies = [view_policy(name, size)] * 2
    raw = raw_batch(policies)
    expected = plain(policies, raw)
    there = RawViews(
        [view.cuda() for view in raw.views],
        [numbers.cuda() for numbers in raw.numbers],
        raw.labels.cuda(),
        raw.indices.cuda(),
    )
    for memory_format in (torch.contiguous_format, torch.channels_last):
        for dtype, atol in ((torch.float32, 1e-4), (torch.bfloat16, 2.7 * 2**-8)):
            finish = ViewFinisher(policies, dtype=dtype)
            finish(there, memory_format)  # brings its constants
            with warnings.catch_warnings(action="ignore"):  # that the mode is a prototype
                torch.cuda.set_sync_debug_mode("error")
            try:
                finished = finish(there, memory_format).images
            finally:
                torch.cuda.set_sync_debug_mode("default")
            for view, image in zip(finished, expected, strict=True):
                assert view.is_contiguous(memory_format=memory_format)
                torch.testing.assert_close(view.float().cpu(), image, atol=atol, rtol=0)


def test_numbers_of_a_policy_are_split_by_step():
    policy = view_policy("moco_v2", 24)
    drawn = policy.draw(Draws(0, 0, range(6), 0)).photometric
    parts = dict(policy.split(drawn))
    assert [own.shape[1] for own in parts.values()] == [5, 1, 1]
    assert torch.equal(torch.cat(list(parts.values()), 1), drawn)
