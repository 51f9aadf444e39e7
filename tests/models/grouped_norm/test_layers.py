"""Batch norm in groups: its chunks against torch, its arithmetic and its layers against chunks."""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from instdisc import gpu
from instdisc.models import Backbone, split_batch_norm
from instdisc.models.grouped_norm import layers
from instdisc.models.grouped_norm.arithmetic import normalize_by_arithmetic
from instdisc.models.grouped_norm.chunks import normalize_chunks

SHAPES = [(8, 5, 7, 3), (4, 3, 1, 6), (8, 5), (12, 4, 6), (4, 3, 1, 1)]
OPTIONS = [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}]


def make_norm(shape, **options):
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], **options).double()
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return norm


def run(normalize, norm, images, slope):
    """Values, gradients and statistics after two steps."""
    results = []
    for factor in (1.0, 1.5):
        images = (images.detach() * factor).requires_grad_()
        norm.zero_grad()
        outputs = normalize(images)
        outputs.backward(slope.to(outputs.dtype))
        gradients = [parameter.grad.clone() for parameter in norm.parameters()]
        results += [outputs.detach(), images.grad, *gradients]
        results += [buffer.clone() for buffer in norm.buffers()]
    return results


def assert_equal(results, references, tolerance=1e-10):
    assert len(results) == len(references)
    for ours, theirs in zip(results, references, strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_chunks_equal_a_batch_norm_for_each_group(shape, options):
    norm, images = make_norm(shape, **options), torch.randn(shape).double() * 3 + 5
    slope, reference = torch.randn_like(images), copy.deepcopy(norm)

    def one_after_another(whole):
        return torch.cat([reference(part) for part in whole.chunk(2)])

    ours = run(lambda whole: normalize_chunks(norm, whole, 2), norm, images, slope)
    assert_equal(ours, run(one_after_another, reference, images, slope), 0)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_arithmetic_equals_chunks(shape, options, last):
    norm, images = make_norm(shape, **options), torch.randn(shape).double() * 3 + 5
    if last and len(shape) == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    slope, reference = torch.randn_like(images), copy.deepcopy(norm)
    ours = run(lambda whole: normalize_by_arithmetic(norm, whole, 2), norm, images, slope)
    theirs = run(lambda whole: normalize_chunks(reference, whole, 2), reference, images, slope)
    assert_equal(ours, theirs)
    assert ours[0].stride() == images.stride()


@pytest.mark.parametrize("normalize", [normalize_chunks, normalize_by_arithmetic])
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("missing", [["num_batches_tracked"], ["running_mean", "running_var"]])
def test_what_a_norm_does_not_keep(normalize, momentum, missing):
    norm, images = make_norm((8, 5), momentum=momentum), torch.randn(8, 5).double()
    for name in missing:
        setattr(norm, name, None)
    slope, reference = torch.randn_like(images), copy.deepcopy(norm)

    def one_after_another(whole):
        return torch.cat([reference(part) for part in whole.chunk(2)])

    ours = run(lambda whole: normalize(norm, whole, 2), norm, images, slope)
    assert_equal(ours, run(one_after_another, reference, images, slope))


@pytest.mark.parametrize("mean", [0, 100])
def test_arithmetic_in_float32(mean):
    # The mean itself has 24 bits: at a hundred deviations no form can know more.
    norm, images = make_norm((16, 5, 9, 9)).float(), torch.randn(16, 5, 9, 9) + mean
    slope, reference = torch.randn_like(images), copy.deepcopy(norm).double()
    ours = run(lambda whole: normalize_by_arithmetic(norm, whole, 4), norm, images, slope)
    theirs = run(
        lambda whole: normalize_chunks(reference, whole, 4), reference, images.double(), slope
    )
    for result, exact in zip(ours, theirs, strict=True):
        error = (result.double() - exact.double()).abs().max() / exact.double().abs().max()
        assert error < 1e-5


@pytest.mark.parametrize("normalize", [normalize_chunks, normalize_by_arithmetic])
def test_autocast_keeps_the_type_of_the_inputs_as_torch_does(normalize):
    norm, images = nn.BatchNorm2d(3), torch.randn(4, 3, 5, 5).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        outputs, plain = normalize(norm, images, 2), norm(images)
    assert outputs.dtype == plain.dtype == torch.bfloat16


def test_second_derivatives_of_arithmetic_are_refused():
    images = torch.randn(4, 3, 2, 2, requires_grad=True)
    outputs = normalize_by_arithmetic(nn.BatchNorm2d(3), images, 2)
    (gradient,) = torch.autograd.grad(outputs.square().sum(), images, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


class TestSplitBatchNorm:
    @pytest.mark.parametrize("norm", [nn.BatchNorm2d(3), BatchNormAct2d(3)])
    def test_equals_one_norm_per_group(self, norm):
        images = torch.randn(8, 3, 4, 4)
        expected = torch.cat([copy.deepcopy(norm)(part) for part in images.chunk(4)])
        split = split_batch_norm(nn.Sequential(copy.deepcopy(norm)), 4)
        torch.testing.assert_close(split(images), expected)

    def test_changes_nothing_in_eval_mode_or_in_the_state_dict(self):
        backbone = Backbone("resnet18").eval()
        names = list(backbone.state_dict())
        images = torch.randn(2, 3, 32, 32)
        with torch.no_grad():
            expected = backbone(images)
            split_batch_norm(backbone, 2)
            assert torch.equal(backbone(images), expected)
        assert list(backbone.state_dict()) == names

    @pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit"])
    def test_fits_any_timm_backbone(self, name):
        backbone = Backbone(name).train()
        size = 160
        images = torch.randn(4, 3, size, size)
        split_batch_norm(backbone, 2)
        whole = backbone(images)
        halves = torch.cat([backbone(part.repeat(2, 1, 1, 1))[:2] for part in images.chunk(2)])
        torch.testing.assert_close(whole, halves, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("last", [False, True])
    @pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
    def test_whole_network_as_the_compiler_sees_it(self, name, last, monkeypatch):
        net = Backbone(name).double().train()
        images = torch.randn(6, 3, 37, 33).double()
        if last:
            net = net.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        split_batch_norm(net, 3)
        reference, slope = copy.deepcopy(net), torch.randn(6, net.dim).double()
        theirs = run(reference, reference, images, slope)
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
        monkeypatch.setattr(layers, "normalize_chunks", None)
        assert_equal(run(net, net, images, slope), theirs)

    def test_gradient_flows(self):
        split = split_batch_norm(nn.Sequential(nn.BatchNorm2d(2)), 2)
        split(torch.randn(4, 2, 3, 3)).square().sum().backward()
        assert split[0].weight.grad.abs().sum() > 0

    def test_the_layers_choose_kernels_on_a_gpu(self, monkeypatch):
        chosen = []

        def normalize(norm, inputs, groups, relu=False):
            chosen.append(relu)
            return inputs

        monkeypatch.setattr(layers, "suits_kernels", lambda inputs: True)
        monkeypatch.setattr(layers, "_kernels", lambda: normalize)
        silent, watched = BatchNormAct2d(2), BatchNormAct2d(2)
        watched.act.register_forward_hook(lambda *_: chosen.append("watched"))
        other = BatchNormAct2d(2, act_layer=nn.SiLU)
        net = nn.Sequential(nn.BatchNorm2d(2), silent, watched, other)
        split_batch_norm(net, 2)(torch.randn(4, 2, 3, 3))
        assert chosen == [False, True, False, "watched", False]

    def test_no_kernels_where_there_is_no_gpu_or_no_triton(self, monkeypatch):
        assert not layers.suits_kernels(torch.ones(2, 2))
        monkeypatch.setattr(gpu, "available", lambda device: True)
        assert not layers.suits_kernels(torch.ones(2, 2))

    def test_one_group_takes_the_splitting_back(self):
        net = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm1d(2), BatchNormAct2d(2))
        before = [type(norm) for norm in net], net.state_dict().keys(), net[0].__dict__.keys()
        split_batch_norm(split_batch_norm(net, 4), 1)
        assert before == (
            [type(norm) for norm in net],
            net.state_dict().keys(),
            net[0].__dict__.keys(),
        )
        split_batch_norm(nn.BatchNorm3d(2), 1)  # nothing to split, nothing to refuse

    def test_synchronised_batch_norm_stays(self):
        norm = nn.SyncBatchNorm(2)
        split_batch_norm(norm, 2)
        assert type(norm) is nn.SyncBatchNorm

    def test_counter_moves_by_the_groups(self):
        norm = split_batch_norm(nn.BatchNorm2d(2), 3)
        norm(torch.randn(6, 2, 2, 2))
        assert int(norm.num_batches_tracked) == 3

    def test_bad_input(self):
        with pytest.raises(
            ValueError, match="`groups` must be a whole number of at least 1, got 0"
        ):
            split_batch_norm(nn.BatchNorm2d(2), 0)
        mixed = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm3d(2))
        with pytest.raises(TypeError, match="'1' a BatchNorm3d, which cannot be split"):
            split_batch_norm(mixed, 2)
        assert type(mixed[0]) is nn.BatchNorm2d
        split = split_batch_norm(nn.Sequential(nn.BatchNorm2d(2)), 3)
        with pytest.raises(ValueError, match="a batch of 4 cannot be normalised in 3 equal groups"):
            split(torch.randn(4, 2, 3, 3))
        with pytest.raises(ValueError, match="a batch of 3 in 3 groups has 1 value per channel"):
            split(torch.randn(3, 2, 1, 1))
        with pytest.raises(ValueError, match="expected 4D input"):
            split(torch.randn(3, 2))
