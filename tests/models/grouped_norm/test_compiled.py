"""Batch norm in groups under torch.compile: one graph, equal to the chunks."""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from instdisc.models import split_batch_norm

from ...processes import apart


class Net(nn.Module):
    """Every kind of batch norm that can be split."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(3, 5, 3, padding=1),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            nn.Conv2d(5, 7, 3, stride=2),
            BatchNormAct2d(7, momentum=None),
            nn.Conv2d(7, 4, 1),
            nn.BatchNorm2d(4, affine=False, track_running_stats=False),
        )
        self.head = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))

    def forward(self, images):
        return self.head(self.maps(images).mean((2, 3)))


@apart
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_net_equals_chunks(backend, last):
    torch._dynamo.reset()
    net = split_batch_norm(Net().double(), 3)
    images = torch.randn(12, 3, 11, 9).double()
    if last:
        net = net.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    reference = copy.deepcopy(net)
    net.compile(fullgraph=True, dynamic=False, backend=backend)
    with torch.no_grad():
        net(images)  # the momentum network's graph
        reference(images)
    for _ in range(2):
        images = (images.detach() * 1.3).requires_grad_()
        twin = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        slope = torch.randn(12, 6).double()
        ours, theirs = net(images), reference(twin)
        ours.backward(slope)
        theirs.backward(slope)
        pairs = [(ours, theirs), (images.grad, twin.grad)]
        for mine, other in zip(net.parameters(), reference.parameters(), strict=True):
            pairs.append((mine.grad, other.grad))
        pairs += zip(net.buffers(), reference.buffers(), strict=True)
        for result, expected in pairs:
            torch.testing.assert_close(result, expected, atol=1e-10, rtol=1e-10)
        assert images.grad.stride() == images.stride()
    torch._dynamo.reset()


def test_a_layer_is_one_node_for_the_tracer():
    torch._dynamo.reset()
    nodes = []

    def count(graph, inputs):
        nodes.append([node.target for node in graph.graph.nodes if node.op == "call_function"])
        return graph.forward

    net = split_batch_norm(nn.Sequential(*[nn.BatchNorm2d(2) for _ in range(3)]), 2)
    torch.compile(net, fullgraph=True, backend=count)(torch.randn(4, 2, 3, 3))
    assert [len(targets) for targets in nodes] == [3]
    torch._dynamo.reset()
