"""The detector's kernels against torchvision's operators, in Triton's interpreter on the CPU.

Triton must be imported with the interpreter switched on, so the tests run in a process of their
own. bfloat16 is left to a GPU: the interpreter computes it wrongly.
"""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from torchvision.ops import roi_align

from instdisc.transfer import ProposalCounts
from instdisc.transfer.detection import (
    align,
    align_kernels,
    last_stage,
)
from instdisc.transfer.detection.fused_align import fused_align, fuses

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="without Triton there are no kernels"
)
interpreted = pytest.mark.skipif(not INTERPRETED, reason="runs within test_in_the_interpreter")


@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="this is the process that it starts")
def test_in_the_interpreter():
    release = tuple(map(int, importlib.metadata.version("triton").split(".")[:2]))
    if release < (3, 8):
        pytest.skip("the interpreter of Triton 3.6 cannot loop to a computed end with numpy 2.4")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed" in run.stdout, run.stdout


@pytest.mark.skipif(INTERPRETED, reason="about a process without it")
def test_kernels_are_for_half_precision_on_a_gpu():
    assert not fuses(torch.zeros(1, 8, 4, 4))
    assert not fuses(torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16))


BINS = {"PARTS": 14, "EVERY": 1, "SIDE": 14, "BLOCK_SIDE": 16, "BLOCK": 128}
EVERY_SECOND = BINS | {"EVERY": 2, "SIDE": 7, "BLOCK_SIDE": 8}
FORWARD = {"map_": "*bf16", "rois": "*fp32", "bins": "*bf16", "scale": "fp32"}
BACKWARD = {"gradient": "*fp32", "rois": "*fp32", "bins": "*bf16", "scale": "fp32"}


@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize(
    ("kernel", "types", "constants"),
    [
        (align_kernels.gather_bins, FORWARD, {**BINS, "CELLS": 32}),
        (align_kernels.gather_bins, FORWARD, {**EVERY_SECOND, "CELLS": 32}),
        (align_kernels.scatter_bins, BACKWARD, {**BINS, "CELLS": 64}),
        (align_kernels.scatter_bins, BACKWARD, {**EVERY_SECOND, "CELLS": 64}),
    ],
    ids=["bins", "every second bin", "bins back", "every second bin back"],
)
def test_compiled_for_a_gpu_they_keep_to_registers(kernel, types, constants, tmp_path, monkeypatch):
    compiler = pytest.importorskip("triton.compiler")
    nvidia = pytest.importorskip("triton.backends.nvidia.compiler")
    backend = pytest.importorskip("triton.backends.compiler")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    names = kernel.arg_names
    signature = {n: "constexpr" if n in constants else types.get(n, "i32") for n in names}
    aligned = [n for n in names if types.get(n, "").startswith("*") or n == "channels"]
    source = compiler.ASTSource(
        kernel,
        signature,
        {(names.index(name),): value for name, value in constants.items()},
        {(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    target = backend.GPUTarget("cuda", 90, 32)
    compiled = compiler.compile(source, target=target, options={"num_warps": 8})
    code = tmp_path / "kernel.ptx"
    code.write_text(compiled.asm["ptx"])
    said = subprocess.run(
        [nvidia.get_ptxas(90).path, "-v", "-arch=sm_90a", code, "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "0 bytes spill stores, 0 bytes spill loads" in said, said
    if kernel in (align_kernels.gather_bins, align_kernels.scatter_bins):
        assert "wgmma" in compiled.asm["ptx"]  # on the tensor cores


def make_regions():
    """Inside, over each border, outside, one pixel, the whole image, without area."""
    low = torch.rand(6, 2) * torch.tensor([200.0, 110.0]) - 20
    rois = torch.cat([torch.randint(2, (6, 1)), low, low + torch.rand(6, 2) * 120 + 1], dim=1)
    edges = [
        [0.0, 0, 0, 272, 176],
        [1.0, 3, 3, 3.5, 4],
        [1.0, -60, -60, -30, -30],
        [0.0, 260, 160, 300, 200],
        [0.0, 5, 5, 5, 9],
        [1.0, 8, 8, 8 + 224, 8 + 112],  # bins of just one cell along x
    ]
    return torch.cat([rois, torch.tensor(edges)])


@interpreted
@pytest.mark.parametrize(("parts", "every"), [(14, 1), (14, 2), (7, 1)])
def test_bins_and_gradients_are_torchvisions(parts, every):
    map_ = torch.randn(2, 20, 11, 17, requires_grad=True)
    rois = make_regions()
    theirs = roi_align(map_, rois, parts, 1 / 16, 0, aligned=True)[:, :, ::every, ::every]
    ours = fused_align(map_, rois, 1 / 16, parts, every)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    gradient = torch.randn_like(theirs)
    found, expected = (torch.autograd.grad(out, map_, gradient)[0] for out in (ours, theirs))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@interpreted
def test_no_regions():
    map_ = torch.randn(1, 8, 4, 4, requires_grad=True)
    bins = fused_align(map_, torch.zeros(0, 5), 1 / 16, 14)
    assert bins.shape == (0, 8, 14, 14)
    bins.sum().backward()
    assert not map_.grad.any()


@interpreted
def test_detector_with_kernels_is_the_one_without(make_detector, make_batch, monkeypatch):
    counts = ProposalCounts(20, 5, 20, 5)
    detector = make_detector(counts=counts, norm="frozen", regions_per_image=100)
    images, sizes, objects = make_batch()
    results = []
    for kernels in (False, True):
        for module in (align, last_stage):
            monkeypatch.setattr(module, "fuses", lambda map_, on=kernels: on)
        torch.manual_seed(0)  # the proposals' anchors are drawn; of the regions all are taken
        losses = detector.train()(images, sizes, objects)
        weights = [weight for weight in detector.parameters() if weight.requires_grad]
        gradients = torch.autograd.grad(sum(losses.values()), weights)
        results.append((losses, gradients, detector.eval()(images, sizes)))
    (losses, gradients, detections), (found, found_gradients, found_detections) = results
    torch.testing.assert_close(found, losses)
    for ours, theirs in zip(found_gradients, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    for ours, theirs in zip(found_detections, detections, strict=True):
        torch.testing.assert_close(ours.boxes, theirs.boxes)
        torch.testing.assert_close(ours.masks, theirs.masks)
