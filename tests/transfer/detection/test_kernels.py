"""The detector's kernels against torchvision's operators, in Triton's interpreter on the CPU.

Triton must be imported with the interpreter switched on, so the tests run in a process of their
own. bfloat16 is left to a GPU: the interpreter computes it wrongly.
"""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.ops import nms, roi_align

from instdisc.transfer import ProposalCounts
from instdisc.transfer.detection import align, last_stage, proposals
from instdisc.transfer.detection.fused_align import fused_align, fuses
from instdisc.transfer.detection.suppression import suppress

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="without Triton there are no kernels"
)
interpreted = pytest.mark.skipif(not INTERPRETED, reason="runs within test_in_the_interpreter")


@pytest.mark.skipif(INTERPRETED, reason="this is the process that it starts")
def test_in_the_interpreter():
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "8 passed" in run.stdout, run.stdout


@pytest.mark.skipif(INTERPRETED, reason="about a process without it")
def test_kernels_are_for_half_precision_on_a_gpu():
    assert not fuses(torch.zeros(1, 8, 4, 4))
    assert not fuses(torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16))


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
@pytest.mark.parametrize(("count", "most"), [(150, 150), (150, 20)])
def test_boxes_that_stay_are_torchvisions(count, most):
    low = torch.rand(2, count, 2) * 40
    boxes = torch.cat([low, low + torch.rand(2, count, 2) * 30 + 1], dim=2)
    boxes[:, ::17, 2:] = boxes[:, ::17, :2]  # without area
    usable = boxes[..., 2] > boxes[..., 0]
    rows, counts = suppress(boxes, usable, 0.5, most)
    scores = torch.arange(count, 0, -1.0)
    for image in range(2):
        best = nms(boxes[image], scores, 0.5)
        best = best[usable[image, best]][:most]
        assert torch.equal(rows[image, : counts[image]], best)
        assert not rows[image, counts[image] :].any()


@interpreted
def test_detector_with_kernels_is_the_one_without(make_detector, make_batch, monkeypatch):
    counts = ProposalCounts(20, 5, 20, 5)
    detector = make_detector(counts=counts, norm="frozen", regions_per_image=100)
    images, sizes, objects = make_batch()
    results = []
    for kernels in (False, True):
        for module in (align, last_stage):
            monkeypatch.setattr(module, "fuses", lambda map_, on=kernels: on)
        monkeypatch.setattr(proposals, "has_triton", lambda device, on=kernels: on)
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


class Waits(TorchDispatchMode):
    """Records the operators for which the host would wait for a GPU."""

    waiting = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "nms")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.split(".")[0]
        by_mask = name.startswith("index") and any(
            part is not None and part.dtype == torch.bool
            for part in (args[1] if isinstance(args[1], (list, tuple)) else [])
        )
        if name.strip("_") in {each.strip("_") for each in self.waiting} or by_mask:
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


@interpreted
def test_step_waits_once_for_the_device(make_detector, make_batch, monkeypatch):
    detector = make_detector(counts=ProposalCounts(40, 12, 40, 12))
    batch = make_batch()
    with Waits() as waits:
        detector(*batch)
    assert set(waits.seen) == {"torchvision.nms.default"}  # without kernels
    monkeypatch.setattr(proposals, "has_triton", lambda device: True)
    with Waits() as waits:
        losses = detector(*batch)  # the one wait, by tolist(), is no operator on the CPU
    assert not waits.seen
    with Waits() as waits:
        sum(losses.values()).backward()
    assert not waits.seen
