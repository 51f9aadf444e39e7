"""Frozen, plain and synchronised batch norm, and precise statistics."""

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from instdisc.models import Backbone
from instdisc.transfer import Detector, precise_batch_norm
from instdisc.transfer.detection.norms import FrozenBatchNorm, new_norm, set_norm


def used_norm(width=4):
    norm = nn.BatchNorm2d(width)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm(torch.randn(8, width, 5, 5) * 3 + 1)
    return norm


def test_frozen_norm_is_torchvisions_and_stays():
    norm, images = used_norm(), torch.randn(2, 4, 6, 6)
    reference = FrozenBatchNorm2d(4, eps=norm.eps)
    reference.load_state_dict(norm.state_dict())
    frozen = set_norm(norm, "frozen").train()
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    torch.testing.assert_close(frozen(images), reference(images))
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())
    assert before.keys() == norm.state_dict().keys()
    assert not any(p.requires_grad for p in frozen.parameters())


def test_frozen_norm_keeps_bfloat16():
    images = torch.randn(2, 4, 6, 6, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert set_norm(used_norm(), "frozen")(images).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("norm", "kind"),
    [("frozen", FrozenBatchNorm), ("plain", nn.BatchNorm2d), ("sync", nn.SyncBatchNorm)],
)
def test_every_norm_of_the_detector_is_of_the_kind(norm, kind):
    detector = Detector(Backbone("test_resnet"), 2, neck="fpn", norm=norm, masks=True)
    kinds = {type(m) for m in detector.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
    assert kinds == {kind}
    assert isinstance(
        Detector(Backbone("test_resnet"), 2, norm=norm).neck.norm, type(new_norm(2, norm))
    )


def test_unknown_norm():
    with pytest.raises(ValueError, match="`norm` must be one of 'frozen', 'plain', 'sync', got"):
        set_norm(nn.BatchNorm2d(2), "group")


class Normed(nn.Module):
    """Two norms and a frozen one, called as a detector is."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3, momentum=0.3)
        self.frozen = FrozenBatchNorm(3)

    def forward(self, images, sizes, objects):
        return self.second(self.frozen(self.first(images)) ** 2)


def test_precise_statistics_are_those_of_all_batches_together():
    net, count = Normed().eval(), 6
    batches = [(torch.randn(4, 3, 9, 9) + i, None, []) for i in range(count + 2)]
    net.first.train()  # the mode of each module stays, whatever it was
    weights = [p.clone() for p in net.parameters()]
    assert precise_batch_norm(net, iter(batches), count) == count
    seen = torch.stack([images for images, *_ in batches[:count]])  # (batches, B, C, H, W)
    torch.testing.assert_close(net.first.running_mean, seen.mean(dim=(0, 1, 3, 4)))
    per_batch = seen.var(dim=(1, 3, 4)) + seen.mean(dim=(1, 3, 4)) ** 2
    variance = per_batch.mean(dim=0) - seen.mean(dim=(0, 1, 3, 4)) ** 2
    torch.testing.assert_close(net.first.running_var, variance, rtol=1e-4, atol=1e-5)
    population = seen.transpose(1, 2).flatten(2).transpose(0, 1).flatten(1).var(dim=1)
    torch.testing.assert_close(net.first.running_var, population, rtol=0.01, atol=0)
    assert torch.equal(net.frozen.running_var, torch.ones(3))
    assert (net.first.momentum, net.second.momentum) == (0.1, 0.3)
    assert (net.training, net.first.training, net.second.training) == (False, True, False)
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))


def test_precise_norm_of_nothing():
    with pytest.raises(ValueError, match="`batches` must give at least one batch, got none"):
        precise_batch_norm(Normed(), [])
    with pytest.raises(ValueError, match="`num_batches` must be at least 1, got 0"):
        precise_batch_norm(Normed(), [], 0)
