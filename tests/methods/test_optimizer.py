"""One kernel for all parameters where there is one, and the same steps."""

import copy

import pytest
import torch
from torch import nn

import instdisc
from instdisc.methods.optimizer import make_optimizer
from instdisc.testing.runs import fit, make_batches

SETTINGS = {"learning_rate": 0.1, "weight_decay": 1e-2, "momentum": 0.9}


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 1), nn.Flatten(), nn.Linear(16, 2))


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
        optimizer = make_optimizer(name, list(net.parameters()), fused=fused, **SETTINGS)
        assert bool(optimizer.param_groups[0]["fused"]) == fused
        train(net, optimizer, range(4))
    torch.testing.assert_close(*(net.state_dict() for net in nets))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_a_run_goes_on_in_another_form(name, before, after, format):
    """With another optimiser form and memory format than its checkpoint has."""
    whole, first = make_net(), make_net()
    train(whole, make_optimizer(name, list(whole.parameters()), **SETTINGS), range(6))
    begun = make_optimizer(name, list(first.parameters()), fused=before, **SETTINGS)
    train(first, begun, range(3))
    second = make_net().to(memory_format=format)
    second.load_state_dict(first.state_dict())
    rest = make_optimizer(name, list(second.parameters()), fused=after, **SETTINGS)
    saved = copy.deepcopy(begun.state_dict())
    rest.load_state_dict(saved)
    assert bool(rest.param_groups[0]["fused"]) == after
    for parameter in second.parameters():
        for value in rest.state[parameter].values():
            assert value.ndim == 0 or value.stride() == parameter.stride()
    train(second, rest, range(3, 6))
    torch.testing.assert_close(second.state_dict(), whole.state_dict())


def test_lars_has_one_form():
    optimizer = make_optimizer("lars", list(make_net().parameters()), fused=True, **SETTINGS)
    assert "fused" not in optimizer.defaults


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
