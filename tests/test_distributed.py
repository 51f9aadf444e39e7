"""One process is a world of size 1; what several shuffle and push is tested with the methods."""

import pytest
import torch

from instdisc import distributed

from .processes import run_on_processes


def test_a_world_of_one():
    assert (distributed.world_size(), distributed.rank()) == (1, 0)


@pytest.mark.parametrize(
    "gather",
    [distributed.gather, distributed.gather_uneven, distributed.gather_with_gradient],
)
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


def _shuffle_on(rank):
    rows = torch.arange(12.0).view(3, 4, 1)[rank]  # 4 of each of 3 processes
    mixed, order = distributed.shuffle(rows, seed=5)
    return rows, mixed, order, distributed.unshuffle(10 * mixed, order)


def test_shuffle_of_three_processes_is_that_of_all_their_rows(tmp_path):
    whole = torch.arange(12.0).view(12, 1)
    for rank, (rows, mixed, order, back) in enumerate(run_on_processes(_shuffle_on, tmp_path, 3)):
        assert torch.equal(mixed, whole[order[4 * rank : 4 * rank + 4]])
        assert torch.equal(order, distributed.shuffle(whole, seed=5)[1])  # as of one process
        assert torch.equal(back, 10 * rows)


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


class TestGatherWithGradient:
    IMAGES = torch.randn(8, 5, generator=torch.Generator().manual_seed(1)).double()

    def local_loss(self, features, everything, rows):
        """Each row's cross-entropy against all rows: of these rows alone."""
        labels = torch.arange(len(everything)).roll(3)[rows]
        return torch.nn.functional.cross_entropy(features @ everything.sin().T, labels)

    def global_loss(self, everything):
        return everything.T.cov().square().sum() + everything.sin().std(0).sum()

    def step(self, kind, images, rows, world):
        """The gathered rows and the gradient of the weights, averaged as DDP does."""
        torch.manual_seed(0)
        net = torch.nn.Linear(5, 4).double()
        features = net(images[rows])
        everything = distributed.gather_with_gradient(features)
        loss = (
            self.local_loss(features, everything, rows)
            if kind == "local"
            else self.global_loss(everything)
        )
        loss.backward()
        gradients = [parameter.grad for parameter in net.parameters()]
        distributed.average(gradients)
        return everything.detach(), gradients, world

    @pytest.mark.parametrize("kind", ["local", "global"])
    def test_two_processes_equal_one(self, kind, tmp_path):
        rows, expected, _ = self.step(kind, self.IMAGES, slice(0, 8), 1)

        def work(rank):
            half = slice(4 * rank, 4 * rank + 4)
            return self.step(kind, self.IMAGES, half, distributed.world_size())

        for gathered, gradients, world in run_on_processes(work, tmp_path):
            assert world == 2
            torch.testing.assert_close(gathered, rows)
            for ours, theirs in zip(gradients, expected, strict=True):
                assert theirs.abs().max() > 1e-3
                torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)

    def test_gradients_that_are_no_block_of_memory(self, tmp_path):
        def work(rank):
            tensor = torch.full((2, 3), rank + 1.0).T.requires_grad_()  # (3, 2)
            gathered = distributed.gather_with_gradient(tensor)
            gathered.sum().backward()  # an expanded 1
            with torch.no_grad():
                assert not distributed.gather_with_gradient(tensor).requires_grad
            return gathered.detach(), tensor.grad

        for gathered, gradient in run_on_processes(work, tmp_path):
            assert torch.equal(gathered, torch.tensor([1.0] * 3 + [2.0] * 3)[:, None].expand(6, 2))
            assert torch.equal(gradient, torch.full((3, 2), 2.0))

    def test_bad_input(self):
        with pytest.raises(TypeError, match="`tensor` must be a tensor, got 3"):
            distributed.gather_with_gradient(3)
