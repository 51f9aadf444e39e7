"""One kernel for all parameters where there is one, and the same steps."""

import copy

import pytest
import torch
from torch import nn

import instdisc
from instdisc.methods import ParameterOptions
from instdisc.methods.training.optimizer import make_optimizer
from instdisc.testing.runs import fit, make_batches

SETTINGS = {"learning_rate": 0.1, "weight_decay": 1e-2, "momentum": 0.9}


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 1), nn.Flatten(), nn.Linear(16, 2))


def alike(net):
    return {ParameterOptions(): list(net.parameters())}


def train(net, optimizer, steps):
    for step in steps:
        images = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        net(images).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_steps_are_those_of_the_plain_form(name):
    nets = make_net(), make_net()
    for net, fused in zip(nets, (True, False), strict=True):
        optimizer = make_optimizer(name, alike(net), fused=fused, **SETTINGS)
        assert bool(optimizer.param_groups[0]["fused"]) == fused
        train(net, optimizer, range(4))
    torch.testing.assert_close(*(net.state_dict() for net in nets))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_a_run_goes_on_in_another_form(name, before, after, format):
    """With another optimiser form and memory format than its checkpoint has."""
    whole, first = make_net(), make_net()
    train(whole, make_optimizer(name, alike(whole), **SETTINGS), range(6))
    begun = make_optimizer(name, alike(first), fused=before, **SETTINGS)
    train(first, begun, range(3))
    second = make_net().to(memory_format=format)
    second.load_state_dict(first.state_dict())
    rest = make_optimizer(name, alike(second), fused=after, **SETTINGS)
    saved = copy.deepcopy(begun.state_dict())
    rest.load_state_dict(saved)
    assert bool(rest.param_groups[0]["fused"]) == after
    for parameter in second.parameters():
        for value in rest.state[parameter].values():
            assert value.ndim == 0 or value.stride() == parameter.stride()
    train(second, rest, range(3, 6))
    torch.testing.assert_close(second.state_dict(), whole.state_dict())


def test_lars_has_one_form():
    optimizer = make_optimizer("lars", alike(make_net()), fused=True, **SETTINGS)
    assert "fused" not in optimizer.defaults


def lars_steps(net, steps, *, learning_rate, weight_decay, momentum):
    """You et al. (2017), equations 5 and 6, parameter by parameter in float64."""
    velocities = [torch.zeros_like(parameter) for parameter in net.parameters()]
    for step in steps:
        images = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(step))
        net.zero_grad()
        net(images.double()).square().sum().backward()
        for parameter, velocity in zip(net.parameters(), velocities, strict=True):
            weights, gradient = parameter.detach(), parameter.grad
            decayed = gradient + weight_decay * weights
            norm = weights.norm()
            ratio = 1e-3 * norm / (gradient.norm() + weight_decay * norm)
            velocity.mul_(momentum).add_(ratio * decayed)
            weights.sub_(learning_rate * velocity)


def test_lars_takes_the_steps_of_its_formula():
    net, reference = make_net(), make_net().double()
    train(net, make_optimizer("lars", alike(net), **SETTINGS), range(20))
    lars_steps(reference, range(20), **SETTINGS)
    start = make_net().state_dict()
    for name, weights in net.state_dict().items():
        assert (weights - start[name]).abs().max() > 1e-4  # it has gone somewhere
        torch.testing.assert_close(
            weights.double(), reference.state_dict()[name], atol=1e-6, rtol=0
        )


def test_lars_decays_what_has_no_gradient_as_sgd_does():
    weights = nn.Parameter(torch.ones(3))
    weights.grad = torch.zeros(3)
    make_optimizer("lars", {ParameterOptions(): [weights]}, **SETTINGS).step()
    torch.testing.assert_close(weights.detach(), torch.full((3,), 1 - 0.1 * 1e-2))


def test_a_run_of_lightlys_lars_goes_on():
    from lightly.utils.lars import LARS

    def lightlys(net):
        settings = {name: SETTINGS[name] for name in ("weight_decay", "momentum")}
        return LARS(net.parameters(), SETTINGS["learning_rate"], **settings)

    whole, first = make_net(), make_net()
    train(whole, lightlys(whole), range(6))
    begun = lightlys(first)
    train(first, begun, range(3))
    rest = make_optimizer("lars", alike(first), **SETTINGS)
    rest.load_state_dict(copy.deepcopy(begun.state_dict()))
    assert "trust_coefficient" not in rest.param_groups[0]
    train(first, rest, range(3, 6))
    for name, weights in whole.state_dict().items():
        torch.testing.assert_close(first.state_dict()[name], weights, atol=1e-7, rtol=0)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_gradients_are_clipped_by_a_hook_in_mixed_precision(optimizer):
    class Clipping(instdisc.SupervisedModule):
        def configure_gradient_clipping(self, optimizer, *settings, **more):
            self.clip_gradients(optimizer, 1e-3, "norm")
            self.norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters()])

    module = Clipping("test_resnet", num_classes=4, optimizer=optimizer)
    fit(module, make_batches(1, 8, 32), precision="bf16-mixed")
    assert module.norm <= 1.001e-3


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_gradients_are_clipped_in_mixed_precision(optimizer, clip):
    """Which Lightning refuses where an optimiser is fused."""
    module = instdisc.SupervisedModule("test_resnet", num_classes=4, optimizer=optimizer)
    trainer = fit(module, make_batches(2, 8, 32), precision="bf16-mixed", gradient_clip_val=clip)
    assert bool(trainer.optimizers[0].defaults["fused"]) == (clip is None)


def test_lars_leaves_the_limits_of_the_compiler_as_they_are():
    limit = torch._dynamo.config.recompile_limit
    make_optimizer("lars", {ParameterOptions(): [nn.Parameter(torch.ones(2))]}, **SETTINGS)
    assert torch._dynamo.config.recompile_limit == limit
