"""One process is a world of size 1; what several do is tested with the methods."""

import pytest
import torch

from instdisc import distributed


def test_a_world_of_one():
    assert (distributed.world_size(), distributed.rank()) == (1, 0)


@pytest.mark.parametrize("gather", [distributed.gather, distributed.gather_uneven])
def test_gather_is_the_identity(gather):
    tensor = torch.randn(5, 3)
    assert gather(tensor) is tensor


@pytest.mark.parametrize("change", [distributed.broadcast, distributed.average])
def test_nothing_is_changed(change):
    tensors = [torch.randn(3), torch.randn(2, 2)]
    before = [tensor.clone() for tensor in tensors]
    change(iter(tensors))
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_unshuffle_undoes_shuffle(count):
    images = torch.randn(count, 3, 4, 4)
    mixed, order = distributed.shuffle(images, seed=3)
    assert torch.equal(mixed, images[order])
    assert sorted(order.tolist()) == list(range(count))
    assert torch.equal(distributed.unshuffle(mixed, order), images)
    features = mixed.flatten(1).sum(1)  # what was computed from the shuffled rows
    assert torch.equal(distributed.unshuffle(features, order), images.flatten(1).sum(1))


def test_shuffle_depends_on_the_seed_alone():
    images = torch.arange(32.0)
    orders = []
    for seed in (0, 1, 0):
        torch.rand(seed + 1)  # other random numbers have no part in it
        orders.append(distributed.shuffle(images, seed)[1])
    assert torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[1])


def test_no_gradient_flows():
    images = torch.randn(4, 2, requires_grad=True)
    mixed, order = distributed.shuffle(images, 0)
    assert not mixed.requires_grad
    assert not distributed.unshuffle(images, order).requires_grad
