"""The last stage with its 1 x 1 convolutions on the map is the last stage on the regions."""

import copy

import pytest
import timm
import torch

from instdisc.transfer.detection.align import align
from instdisc.transfer.detection.last_stage import _is_plain, last_stage

# Inside, across each border, of exactly one and two cells per bin, thinner than a cell.
ROIS = torch.tensor(
    [
        [0.0, 10.3, 20.7, 90.1, 77.7],
        [1.0, -30.0, -20.0, 60.0, 50.0],
        [1.0, 80.0, 40.0, 170.0, 130.0],
        [0.0, 0.0, 0.0, 224.0, 224.0],
        [0.0, 16.0, 0.0, 240.0, 448.0],
        [1.0, 33.0, 41.0, 33.5, 95.0],
    ]
)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("name", "plain"), [("resnet50", True), ("resnet18", False), ("resnet50d", False)]
)
def test_it_is_the_stage_on_regions(name, plain, training):
    stage = timm.create_model(name, num_classes=0, zero_init_last=False).layer4
    for norm in (m for m in stage.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        torch.nn.init.normal_(norm.bias)
    # In double precision, where no activation is so near 0 that the two ways differ in its sign.
    usual = stage.double().train(training)
    ours = copy.deepcopy(usual)
    assert _is_plain(ours[0]) == plain
    channels = 1024 if "50" in name else 256
    maps = [
        torch.randn(2, channels, 7, 9, dtype=torch.float64, requires_grad=True) for _ in range(2)
    ]
    maps[1].data.copy_(maps[0].data)
    outputs = [
        usual(align([maps[0]], ROIS.double(), [16], 14)),
        last_stage(ours, maps[1], ROIS.double(), 16),
    ]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-8, atol=1e-8)
    direction = torch.randn_like(outputs[0])
    for output in outputs:
        (output * direction).mean().backward()
    for (name, a), b in zip(ours.named_parameters(), usual.parameters(), strict=True):
        error = (a.grad - b.grad).norm() / b.grad.norm()
        assert error < 1e-8, name
    assert (maps[1].grad - maps[0].grad).norm() < 1e-8 * maps[0].grad.norm()
    for a, b in zip(ours.buffers(), usual.buffers(), strict=True):  # the running statistics
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)
