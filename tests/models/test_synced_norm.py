"""Batch norm over two processes equals that of one with the global batch."""

import copy
import inspect
import pickle

import pytest
import torch
import torch.distributed
from timm.layers import BatchNormAct2d
from torch import nn
from torch.nn.modules import _functions

from instdisc.distributed import average, world_size
from instdisc.models import MLP, Backbone, split_batch_norm, sync_batch_norm
from instdisc.models.form import Form
from instdisc.models.synced_norm import normalize
from instdisc.models.synced_norm.normalize import normalize_over_processes

from ..processes import run_on_processes

SHAPES = [(8, 5, 7, 3), (8, 5), (6, 4, 6), (6, 3, 1, 1)]
OPTIONS = [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}]


def make_norms():
    """Every kind and option, with inputs: (norm, shape)."""
    torch.manual_seed(1)
    for shape in SHAPES:
        for options in OPTIONS:
            kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
            yield kind(shape[1], **options), shape
    yield BatchNormAct2d(5, act_layer=nn.SiLU), SHAPES[0]
    scale = nn.BatchNorm1d(5)
    scale.register_parameter("bias", None)
    yield scale, SHAPES[1]
    without_counter = nn.BatchNorm1d(5)
    without_counter.num_batches_tracked = None
    yield without_counter, SHAPES[1]


def train(net, images, slopes, rows):
    """Outputs, gradients and statistics after two steps on some rows, as DDP averages them."""
    results = []
    for factor in (1.0, 1.5):
        inputs = (images[rows] * factor).requires_grad_()
        net.zero_grad()
        outputs = net(inputs)
        # A mean over the local rows would not show where the two sizes differ.
        (outputs * slopes[rows]).sum().mul(world_size()).backward()
        gradients = [parameter.grad for parameter in net.parameters()]
        average(gradients)
        statistics = [buffer.clone() for buffer in net.buffers()]
        # Of the sum of the losses of all processes, before DDP's mean.
        results.append((outputs.detach(), inputs.grad / world_size(), gradients, statistics))
    return results


def prepare(net, shape, last):
    torch.manual_seed(2)
    net = net.double()
    for parameter in net.parameters():
        nn.init.normal_(parameter, 1.0)
    images, slopes = torch.randn(shape).double() * 3 + 5, None
    if last and len(shape) == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        slopes = torch.randn_like(copy.deepcopy(net)(images))
    return net, images, slopes


def assert_equals_one(parts, expected):
    for step in range(2):
        for number in range(2):  # outputs and gradients of the inputs, row by row
            joined = torch.cat([part[step][number] for part in parts])
            torch.testing.assert_close(joined, expected[step][number], rtol=1e-10, atol=1e-10)
        for part in parts:
            for number in (2, 3):
                for ours, theirs in zip(part[step][number], expected[step][number], strict=True):
                    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cut", [None, 2])
@pytest.mark.parametrize("last", [False, True])
def test_every_norm_equals_one_process(tmp_path, cut, last):
    def results(rank=None):
        for norm, shape in make_norms():
            net, images, slopes = prepare(norm, shape, last)
            middle = shape[0] // 2 if cut is None else cut  # equal halves, or 2 rows and the rest
            rows = slice(None) if rank is None else (slice(middle), slice(middle, None))[rank]
            yield train(sync_batch_norm(net, True), images, slopes, rows)

    parts = run_on_processes(lambda rank: list(results(rank)), tmp_path)
    expected = list(results())
    assert len(expected) == len(SHAPES) * len(OPTIONS) + 3
    for ours, theirs in zip(zip(*parts, strict=True), expected, strict=True):
        assert_equals_one(ours, theirs)


class Net(nn.Module):
    def __init__(self, backbone, dim):
        super().__init__()
        self.backbone = backbone
        self.head = MLP(dim, (16, 8), last_norm="scale")

    def forward(self, images):
        return self.head(self.backbone(images))


def test_a_network_with_its_head_equals_one_process(tmp_path):
    def result(rank=None):
        backbone = Backbone("test_resnet")
        net, images, slopes = prepare(Net(backbone, backbone.dim), (8, 3, 32, 32), True)
        rows = slice(None) if rank is None else slice(4 * rank, 4 * rank + 4)
        return train(sync_batch_norm(net, True), images, slopes, rows)

    assert_equals_one(run_on_processes(result, tmp_path), result())


def compiled_result(rank=None):
    maps = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), BatchNormAct2d(4, momentum=None)]
    net = Net(nn.Sequential(*maps, nn.Flatten()), 4 * 6 * 6)
    net, images, slopes = prepare(net, (8, 3, 8, 8), False)
    sync_batch_norm(net, True)
    if rank is None:
        return train(net, images, slopes, slice(None))
    net.compile(fullgraph=True, dynamic=False)
    return train(net, images, slopes, slice(4 * rank, 4 * rank + 4))


@pytest.mark.slow
def test_compiled_layers_are_one_graph_and_equal_one_process(tmp_path):
    parts = run_on_processes(compiled_result, tmp_path, start="spawn")
    assert_equals_one(parts, compiled_result())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_torchs_kernels_on_a_gpu_equal_the_arithmetic(tmp_path, dtype):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        for norm, shape in make_norms():
            twin, images = copy.deepcopy(norm), torch.randn(shape, dtype=dtype)
            outputs = [
                normalize_over_processes(norm, images),
                normalize_over_processes(twin.cuda(), images.cuda()).cpu(),
            ]
            tolerance = 1e-5 if dtype == torch.float32 else 2e-2
            torch.testing.assert_close(*outputs, rtol=tolerance, atol=tolerance)
            for ours, theirs in zip(norm.buffers(), twin.buffers(), strict=True):
                torch.testing.assert_close(ours, theirs.cpu(), rtol=1e-2, atol=1e-4)
    finally:
        torch.distributed.destroy_process_group()


def test_torchs_kernels_are_called_as_torch_calls_them(monkeypatch):
    calls = []

    def note(*values):
        calls.append([id(value) if isinstance(value, torch.Tensor) else value for value in values])
        return values[0]

    monkeypatch.setattr(_functions.SyncBatchNorm, "apply", note)
    monkeypatch.setattr(normalize, "_suits_kernels", lambda inputs: True)
    images, norm = torch.randn(4, 3), nn.BatchNorm1d(3)
    assert normalize_over_processes(norm, images) is images
    tensors = [images, norm.weight, norm.bias, norm.running_mean, norm.running_var]
    assert calls == [[*map(id, tensors), norm.eps, 0.1, None, 1]]
    names = ["input", "weight", "bias", "running_mean", "running_var"]
    names += ["eps", "momentum", "process_group", "world_size"]
    assert [*inspect.signature(_functions.SyncBatchNorm.forward).parameters][1:] == names
    assert int(norm.num_batches_tracked) == 1
    norm.momentum = None
    normalize_over_processes(norm, images)
    assert calls[1][6] == 1 / 2


def test_half_precision_keeps_its_type(tmp_path):
    def work(rank):
        norm = sync_batch_norm(nn.BatchNorm1d(3), True)
        inputs = torch.randn(4, 3).bfloat16().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = norm(inputs)
        outputs.sum().backward()
        return outputs.dtype, inputs.grad.dtype, norm.weight.grad.dtype

    for dtypes in run_on_processes(work, tmp_path):
        assert dtypes == (torch.bfloat16, torch.bfloat16, torch.float32)


def test_no_exchange_in_eval_mode_and_none_of_gradients_that_nobody_needs(tmp_path):
    def work(rank):
        norm = sync_batch_norm(nn.BatchNorm1d(3), True)
        if rank == 0:  # alone: an exchange would wait for the other for ever
            norm.eval()(torch.randn(4, 3))
        images = torch.full((2, 3), float(rank))  # equal on a process, and images learn nothing
        outputs = norm.train()(images)
        if rank == 0:
            outputs.sum().backward()
        return outputs.detach()

    first, second = run_on_processes(work, tmp_path)
    torch.testing.assert_close(first, -torch.ones(2, 3), rtol=0, atol=1e-4)
    torch.testing.assert_close(second, torch.ones(2, 3), rtol=0, atol=1e-4)


class TestForms:
    def make(self):
        return nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm1d(2), BatchNormAct2d(2))

    def kinds(self, net):
        return [type(norm).__name__.removesuffix("BatchNorm2d") for norm in net]

    def test_one_process_computes_as_before(self):
        norm = self.make()[0]
        plain, images = copy.deepcopy(norm), torch.randn(4, 2, 3, 3)
        sync_batch_norm(norm, True)
        assert torch.equal(norm(images), plain(images))
        assert torch.equal(norm.running_var, plain.running_var)
        torch._dynamo.reset()
        norm.compile(fullgraph=True, backend="eager")
        assert torch.equal(norm(images), plain(images))

    def test_what_is_taken_back_is_as_it_was(self):
        net = self.make()
        before = [(type(norm), norm.state_dict().keys(), vars(norm).keys()) for norm in net]
        norms = list(net)
        assert sync_batch_norm(net, True) is net
        assert all(isinstance(norm, kind) for norm, (kind, *_) in zip(net, before, strict=True))
        assert not any(type(norm) is kind for norm, (kind, *_) in zip(net, before, strict=True))
        sync_batch_norm(net, False)
        assert before == [(type(norm), norm.state_dict().keys(), vars(norm).keys()) for norm in net]
        assert norms == list(net)

    def test_copies_and_pickles(self):
        net = sync_batch_norm(self.make(), True)
        for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            assert [type(norm) for norm in twin] == [type(norm) for norm in net]
            self.make().load_state_dict(twin.state_dict(), strict=True)

    def test_groups_and_processes_take_each_others_place(self):
        net = self.make()
        plain = self.kinds(net)
        split_batch_norm(net, 4)
        sync_batch_norm(net, True)
        synced = self.kinds(net)
        assert synced == ["Synced", "SyncedBatchNorm1d", "SyncedBatchNormAct2d"]
        assert not any("groups" in vars(norm) for norm in net)
        split_batch_norm(net, 1)  # takes back its own form alone
        assert self.kinds(net) == synced
        split_batch_norm(net, 2)
        grouped = self.kinds(net)
        assert grouped == ["Grouped", "GroupedBatchNorm1d", "GroupedBatchNormAct2d"]
        sync_batch_norm(net, False)
        assert self.kinds(net) == grouped
        split_batch_norm(net, 1)
        assert self.kinds(net) == plain

    def test_a_form_is_restored(self):
        net = sync_batch_norm(self.make(), True)
        form, kinds = Form(net), self.kinds(net)
        split_batch_norm(net, 2)
        form.restore()
        assert self.kinds(net) == kinds
        form = Form(sync_batch_norm(net, False))
        sync_batch_norm(net, True)
        form.restore()
        assert type(net[0]) is nn.BatchNorm2d

    def test_bad_input(self):
        with pytest.raises(TypeError, match="`on` must be True or False, got 1"):
            sync_batch_norm(self.make(), 1)
        mixed = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm3d(2), nn.SyncBatchNorm(2))
        with pytest.raises(TypeError, match="'1' a BatchNorm3d, which cannot be synchronised"):
            sync_batch_norm(mixed, True)
        assert type(mixed[0]) is nn.BatchNorm2d
        sync_batch_norm(mixed, False)
