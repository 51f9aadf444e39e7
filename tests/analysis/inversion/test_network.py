import pytest
import torch
from torch import nn

from instdisc.analysis.inversion import DIP_RECIPE, ZHAO_RECIPE, SkipNetwork
from instdisc.models import Backbone

SMALL = ZHAO_RECIPE.shaped((32, 32), channels=[8, 12, 12], kernels=[5, 3, 3])


class Reference(nn.Module):
    """One network from plain layers, as the deep image prior is described; weights are copied."""

    def __init__(self, recipe, weights):
        super().__init__()
        self.recipe = recipe
        self.weights = iter(weights)
        self.tree = self.level(0, recipe.input_channels)
        self.last = self.convolution(recipe.channels[0], 3, 1)

    def take(self, layer):
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(next(self.weights))
        return layer

    def convolution(self, inputs, outputs, kernel):
        return self.take(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2).double())

    def norm(self, width):
        return self.take(nn.BatchNorm2d(width).double())

    def step(self, inputs, outputs, kernel, *between):
        convolution = self.convolution(inputs, outputs, kernel)
        return nn.Sequential(convolution, *between, self.norm(outputs), nn.LeakyReLU(0.2))

    def level(self, index, inputs):
        if index == len(self.recipe.channels):
            return None
        width, kernel = self.recipe.channels[index], self.recipe.kernels[index]
        deeper = self.recipe.channels[min(index + 1, len(self.recipe.channels) - 1)]
        joined = deeper + self.recipe.skip_channels
        parts = nn.ModuleDict(
            {
                "across": self.step(inputs, self.recipe.skip_channels, 1),
                "down": self.step(inputs, width, kernel, nn.AvgPool2d(2)),
                "again": self.step(width, width, kernel),
                "norm": self.norm(joined),
                "up": self.step(joined, width, kernel),
                "one": self.step(width, width, 1),
            }
        )
        below = self.level(index + 1, width)
        if below is not None:
            parts["below"] = below
        return parts

    def run(self, parts, x):
        deep = parts["again"](parts["down"](x))
        if "below" in parts:
            deep = self.run(parts["below"], deep)
        deep = nn.Upsample(scale_factor=2, mode="nearest")(deep)
        joined = torch.cat([parts["across"](x), deep], 1)
        return parts["one"](parts["up"](parts["norm"](joined)))

    def forward(self, x):
        return self.last(self.run(self.tree, x))


def test_published_network_has_published_size():
    network = SkipNetwork()
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_606_763
    assert network.noise.shape == (1, 32, 256, 256)
    assert 0 <= float(network.noise.min()) < 1e-5
    assert 0.0999 < float(network.noise.max()) <= 0.1
    shapes = [tuple(level.descend[0].convolution.weight.shape) for level in network.levels]
    assert shapes == [
        (16, 32, 7, 7),
        (32, 16, 7, 7),
        (64, 32, 5, 5),
        (128, 64, 5, 5),
        (128, 128, 3, 3),
        (128, 128, 3, 3),
    ]
    merged = [level.merge[0].convolution.weight.shape[1] for level in network.levels]
    assert merged == [36, 68, 132, 132, 132, 132]


def test_published_maps_halve_six_times():
    network = SkipNetwork(seeds=[1])
    sides = []
    for level in network.levels:
        level.descend.register_forward_hook(lambda *call: sides.append(tuple(call[2].shape[1:])))
    with torch.no_grad():
        assert network().shape == (1, 3, 256, 256)
    assert sides == [
        (16, 128, 128),
        (32, 64, 64),
        (64, 32, 32),
        (128, 16, 16),
        (128, 8, 8),
        (128, 4, 4),
    ]


@pytest.mark.parametrize("channels_last", [True, False])
def test_equal_to_plain_layers(channels_last):
    network = SkipNetwork(SMALL, (32, 32), seeds=[3], channels_last=channels_last).double()
    reference = Reference(SMALL, [p.detach().clone() for p in network.parameters()])
    torch.testing.assert_close(network(), reference(network.noise), rtol=1e-9, atol=1e-10)
    assert next(reference.weights, None) is None  # all are used
    network().square().sum().backward()
    reference(network.noise).square().sum().backward()
    for a, b in zip(network.parameters(), reference.parameters_in_order(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-7, atol=1e-8)


def _in_order(self):
    """The reference's parameters in the order in which they were copied."""

    def walk(parts):
        for name in ("across", "down", "again", "norm", "up", "one"):
            yield from parts[name].parameters()
        if "below" in parts:
            yield from walk(parts["below"])

    yield from walk(self.tree)
    yield from self.last.parameters()


Reference.parameters_in_order = _in_order


def train(seeds, targets, backbone, channels_last):
    network = SkipNetwork(SMALL, (32, 32), seeds=seeds, channels_last=channels_last).double()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = (backbone.maps(network())[1] - targets).square().flatten(1).mean(1)
        loss.sum().backward()
        optimizer.step()
        losses.append(loss.detach())
    return network().detach(), torch.stack(losses)


@pytest.mark.parametrize("channels_last", [True, False])
def test_three_together_are_each_alone_after_three_steps(channels_last):
    backbone = Backbone("test_resnet").eval().double().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 32, 32, dtype=torch.double, generator=generator)
    targets = backbone.maps(images)[1]
    seeds = [5, 0, 7]
    together, losses = train(seeds, targets, backbone, channels_last)
    for position, seed in enumerate(seeds):
        alone, loss = train([seed], targets[position : position + 1], backbone, channels_last)
        torch.testing.assert_close(together[position], alone[0], rtol=1e-7, atol=1e-8)
        torch.testing.assert_close(losses[:, position], loss[:, 0], rtol=1e-9, atol=0)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_first_weights_do_not_depend_on_the_others():
    together = SkipNetwork(SMALL, (32, 32), seeds=[4, 9])
    alone = SkipNetwork(SMALL, (32, 32), seeds=[9])
    for a, b in zip(together.parameters(), alone.parameters(), strict=True):
        assert torch.equal(a[len(b) :], b)
    assert torch.equal(together.noise[:, 32:], alone.noise)


def test_no_global_random_numbers():
    state = torch.random.get_rng_state()
    SkipNetwork(SMALL, (32, 32))
    assert torch.equal(state, torch.random.get_rng_state())


def test_sigmoid_of_the_original():
    network = SkipNetwork(DIP_RECIPE.shaped((16, 16), channels=[8]), (16, 16))
    plain = SkipNetwork(ZHAO_RECIPE.shaped((16, 16), channels=[8]), (16, 16))
    torch.testing.assert_close(network(), plain().sigmoid())


def test_refuses_no_seed_and_a_size_between():
    with pytest.raises(ValueError, match=r"`seeds` must be a list of at least one"):
        SkipNetwork(SMALL, (32, 32), seeds=[])
    with pytest.raises(TypeError, match="`seeds` must be a sequence of whole numbers"):
        SkipNetwork(SMALL, (32, 32), seeds=[0.5])
    with pytest.raises(ValueError, match=r"`size` must be multiples of 8, got \(30, 32\)"):
        SkipNetwork(SMALL, (30, 32))
