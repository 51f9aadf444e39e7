"""Backbones whose every number is random, and the proof that two networks compute the same."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from instdisc.models import Backbone


def randomise(network: nn.Module) -> nn.Module:
    """Random weights and running statistics, so that no two tensors can be exchanged unseen."""
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        elif name.endswith("num_batches_tracked"):
            value.fill_(7)
        elif value.ndim < 2:
            value.normal_(0.5 if name.endswith("weight") else 0.0, 0.2)
        else:
            value.normal_(0.0, value[0].numel() ** -0.5)
    return network


def features(network: nn.Module) -> Tensor:
    """Eval-mode features of two fixed random images."""
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    was_training = network.training
    with torch.no_grad():
        result = network.eval()(images).flatten(start_dim=1)
    network.train(was_training)
    assert result.std() > 1e-3
    return result


@pytest.fixture
def make_backbone() -> Callable[..., Backbone]:
    """``make_backbone("resnet18", stem="cifar")`` is that backbone, randomised."""
    return lambda name="resnet18", **options: randomise(Backbone(name, **options))


@pytest.fixture(name="randomise")
def _randomise() -> Callable[[nn.Module], nn.Module]:
    return randomise


@pytest.fixture(name="features")
def _features() -> Callable[[nn.Module], Tensor]:
    return features
